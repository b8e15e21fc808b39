"""The parameters of each scheme's policy as marshmallow schemas, a module a scheme: their names, kinds and bounds."""
