"""boto3 and what it needs come from pinned packages in the data directory (fetch_sdk.sh). Where they could not be had, importing
them says so instead of "No module named 'boto3'"."""
import os
import sys

PACKAGES = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3", "snapshot_restore_py")
REASON = "missing.txt"


class _Missing:
    """The last finder: asked only when nobody else has the module."""

    def __init__(self, directory):
        self.directory = directory

    def find_spec(self, name, path=None, target=None):
        if name not in PACKAGES:
            return None
        try:
            with open(os.path.join(self.directory, REASON)) as file:
                reason = file.read().strip()
        except OSError:
            reason = "it was never fetched; run layers/runtimes/fetch_sdk.sh DATA_DIR and start stoked again"
        raise ModuleNotFoundError("{} is not installed: {}".format(name, reason), name=name)


def announce_if_missing(directory):
    if not any(isinstance(finder, _Missing) for finder in sys.meta_path):
        sys.meta_path.append(_Missing(directory))
