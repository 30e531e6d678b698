"""Tests of the embedded suite."""
