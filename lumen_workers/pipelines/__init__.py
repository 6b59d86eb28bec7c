"""What is declared: the daily pipeline's stages, the ticks, the tasks, the failure table."""
