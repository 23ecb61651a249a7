"""Figures -> tables, drawings, pages."""
