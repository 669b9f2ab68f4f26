"""Exports of form tools: what is in them, and which photo belongs to which submission."""
