"""The library: CT slice in, lesions out. No web code, no training code."""
