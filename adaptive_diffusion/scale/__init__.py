"""Runs of many prompts on many machines: units as files, that any number of processes draw and one collects."""
