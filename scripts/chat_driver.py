"""tests/data/chat_driver.c as a process that answers JSON lines, for the scripts that compare it with jinja2."""
import os
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RELEASE = "build/release/tests/data/chat_driver"


def add_argument(parser):
    parser.add_argument("--driver", metavar="PROGRAM", help="take this one, instead of making " + RELEASE)


def start(path=None):
    if not path:
        subprocess.run(["make", "-s", RELEASE], cwd=ROOT, check=True)
        path = os.path.join(ROOT, RELEASE)
    return subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
