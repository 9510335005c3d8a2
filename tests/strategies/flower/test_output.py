"""What a started program prints is told line by line, with the level that its line begins with."""

import logging
import os
import sys

import pytest
from flwr.supercore import http_logging
from flwr.supercore.logger import ConsoleHandler

from strategies.flower.output import parsed
from strategies.flower.processes import end, start, wait_until

LEVELS = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("options", [{}, {"timestamps": True}, {"colored": False}])
def test_a_line_of_flowers_log_has_its_level(level, options):
    record = logging.LogRecord("flwr", level, "", 1, "ERROR : of %s", ("a site",), None)
    assert parsed(ConsoleHandler(**options).format(record), logging.INFO) == (level, "ERROR : of a site")


@pytest.mark.parametrize("level", LEVELS)
def test_a_line_of_the_superlinks_http_server_has_its_level_and_keeps_its_logger(level):
    record = logging.LogRecord("uvicorn.access", level, "", 1, '127.0.0.1 - "POST / HTTP/1.1" 200', (), None)
    line = http_logging.UTCFormatter(http_logging.LOG_FORMAT).format(record)
    assert parsed(line, logging.ERROR) == (level, '[uvicorn.access] 127.0.0.1 - "POST / HTTP/1.1" 200')


@pytest.mark.parametrize("line", ["Successfully installed", "  File x, line 3", "INFORM: no", "an ERROR : inside"])
def test_a_line_of_neither_is_told_as_it_is(line):
    assert parsed(line, logging.WARNING) == (logging.WARNING, line)


def test_every_line_is_told_of_a_program_and_of_what_it_started_and_a_long_one_in_parts():
    told = []
    text = (
        "import os, subprocess, sys\n"
        "print('INFO :      first'); print(); print('second')\n"
        "subprocess.run([sys.executable, '-c', 'print(\"third\")'])\n"
        "sys.stdout.flush(); os.write(1, b'\\xff' + b'x' * 70000 + b'\\n')\n"
        "sys.stderr.write('a traceback\\nERROR: an error'); sys.stderr.flush()\n"
    )
    process = start([sys.executable, "-u", "-c", text], os.environ, lambda *line: told.append(line))
    assert wait_until(lambda: len(told) == 7, 20, 0.05), told
    end(process)
    out = [(level, line) for level, line in told if line not in ("a traceback", "an error")]
    assert out[:3] == [(logging.INFO, line) for line in ("first", "second", "third")]
    assert [len(line) for _, line in out[3:]] == [65536 + 3, 70002 - 65536 - 1]  # ff is told as \xff
    assert (logging.WARNING, "a traceback") in told
    assert (logging.ERROR, "an error") in told
