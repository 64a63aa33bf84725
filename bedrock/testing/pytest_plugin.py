"""Fixtures for users' test suites and ours."""
