"""Compiled training of small convolutional classifiers."""
