"""Celery: the app, its tasks, signals and beat."""
