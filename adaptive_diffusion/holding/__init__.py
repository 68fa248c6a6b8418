"""Rejected images that wait in a folder for a teacher: held by one run, improved by another, perhaps elsewhere."""
