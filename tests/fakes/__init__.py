"""Honest stand-ins for the ports, each run through the same contract tests as the real one."""
