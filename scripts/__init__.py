"""Commands for those who keep this repository: measuring, calibrating, writing pages."""
