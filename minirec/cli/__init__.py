"""The command `minirec`: one file a group of commands; `parser.py` lists the groups."""

from .main import main as main
