"""Watching others: scraping targets, evaluating rules, telling Alertmanager."""
