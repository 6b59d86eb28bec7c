"""What is told to Prometheus: the store's state as metrics, read anew at each scrape."""
