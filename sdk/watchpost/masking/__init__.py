"""Masking of what leaves the process, in an encoded request, whoever made its spans."""
