"""Requests that nobody would send: each answered without an error of ours, and the page shown to its owner alone."""

import os
import random

from strategies.page.live import Shown
from strategies.report.section import Section
from tests.strategies.page.served import served

N_REQUESTS = int(os.environ.get("TESSERA_MUTATED_REQUESTS", "200"))
SECRET = "What only the owner sees."
SHOWN = Shown("Made up", "", {"now": ("Now", lambda name, title: Section(name, title, SECRET))}, str, list)
RIGHT = {
    "method": "GET",
    "path": "/",
    "version": "HTTP/1.1",
    "host": "Host: 127.0.0.1:{port}",
    "cookie": "Cookie: {cookie}",
    "more": "X-Nothing: here",
}
ODD = {
    "method": ["POST", "HEAD", "get", "G\x00T", "PRI", "", "GET GET"],
    "path": ["/?token={token}", "/?token=", "/..//", "//", "*", "http://evil.org/", "/%00", "/\xff", f"/?{'a' * 999}"],
    "version": ["HTTP/1.0", "HTTP/2.0", "", "HTTP/1.1 x", "http/1.1"],
    "host": ["Host: evil.org", "Host:", "Host: 127.0.0.1:{port}\r\nHost: evil.org", "X: y", "Host : a", "Host: {port}"],
    "cookie": ["Cookie: {cookie}x", "Cookie: tessera_{port}=", "Cookie: =;;=", "X-Nothing: here", "Cookie: \xe9=\xe9"],
    "more": [
        *("Origin: https://evil.org", "Origin: null", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site"),
        *("Sec-Fetch-Site:", "Transfer-Encoding: chunked", "Content-Length: -1", "Content-Length: 0", "\xe9: \xe9"),
        *("X-Forwarded-Host: evil.org", "Forwarded: host=evil.org", "Upgrade: websocket", "Expect: 100-continue"),
    ],
}
HARMLESS = {"X-Forwarded-Host: evil.org", "Forwarded: host=evil.org", "Content-Length: 0"}
HARMLESS |= {RIGHT["more"], "Upgrade: websocket", "Expect: 100-continue", "Transfer-Encoding: chunked"}


def test_only_requests_that_are_right_are_shown_the_page_and_none_ends_in_an_error_of_ours():
    draw, shown, codes = random.Random(7), 0, set()
    with served(SHOWN, slowly_s=0.0) as here:
        cookie = "; ".join(f"{name}={value}" for name, value in here.welcome().cookies.items())
        values = {"port": here.port, "cookie": cookie, "token": here.door.address.partition("=")[2]}
        for _ in range(N_REQUESTS):
            odd = draw.sample([*ODD], draw.choice((0, 1, 1, 2, 4)))
            drawn = {**RIGHT, **{name: draw.choice(ODD[name]) for name in odd}}
            first = f"{drawn['method']} {drawn['path']} {drawn['version']}"
            lines = (first, drawn["host"], drawn["cookie"], drawn["more"], "Connection: close", "", "")
            request = "\r\n".join(lines).format(**values).encode("latin-1")
            answer = here.raw(request)
            code = int(answer.split(b" ", 2)[1])
            codes.add(code)
            assert code in (200, 303, 400, 403, 404, 405, 429), request
            assert b"Traceback" not in answer
            if SECRET.encode() in answer:
                shown += 1
                assert {*odd} <= {"path", "version", "more"}, request
                assert drawn["more"] in HARMLESS, request
    assert shown
    assert {200, 303, 400, 403, 404, 405} <= codes
