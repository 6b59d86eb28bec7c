"""Experiments on a running loop, and what they show: brackets, bandit, Bayes, impact, tuning, backtest."""
