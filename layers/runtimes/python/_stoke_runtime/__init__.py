"""Turns a handler into a running worker, as Lambda's Python runtime does. worker.py is the way through; the others are its
steps. Everything here is loaded in the zygote and shared by all workers."""
