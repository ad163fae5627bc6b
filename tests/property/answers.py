"""The answers that operations have in common: (HTTP status, error code or None, members that the answer must have)."""
NOT_FOUND = (404, "ResourceNotFoundException", {})
CONFLICT = (409, "ResourceConflictException", {})
INVALID = (400, "InvalidParameterValueException", {})
STALE = (412, "PreconditionFailedException", {})
THROTTLED = (429, "TooManyRequestsException", {})
NO_PROVISIONED = (404, "ProvisionedConcurrencyConfigNotFoundException", {})
NO_SIGNING = (404, "CodeSigningConfigNotFoundException", {})
GONE = (204, None, {})
