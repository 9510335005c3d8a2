"""Only whoever has the token sees the page, once, and then that browser; over a real port of this machine."""

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from strategies.page.live import Shown
from strategies.report.section import Section
from tests.strategies.page.served import served


def make(name, title):
    return Section(name, title, "What only the owner sees.")


SHOWN = Shown("Made up", "Nothing.", {"now": ("Now", make)}, lambda: "all is well", list)


@pytest.fixture(scope="module")
def here():
    """A page whose token is spent."""
    with served(SHOWN) as found:
        found.owner = found.welcome()
        yield found


def cookie_of(here):
    return "; ".join(f"{name}={value}" for name, value in here.owner.cookies.items())


def codes_of(pool, here, address, n):
    """What so many browsers are answered that ask at the same time."""
    return list(pool.map(lambda browser: browser.get(address).status_code, [here.browser() for _ in range(n)]))


def test_the_token_opens_the_page_once_and_becomes_a_cookie_that_no_script_and_no_other_site_can_use():
    with served(SHOWN) as here:
        first = here.browser()
        answer = first.get(here.door.address)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        words = answer.headers["set-cookie"].lower().split("; ")
        assert {"httponly", "samesite=strict", "path=/"} <= {*words}
        assert here.door.address.partition("=")[2] not in answer.headers["set-cookie"]
        assert "What only the owner sees." in first.get("/").text
        again = first.get(here.door.address)
        assert (again.status_code, again.headers["location"]) == (303, "/")
        second = here.browser().get(here.door.address, follow_redirects=True)
        assert second.status_code == 403
        assert second.text.startswith("this address was used already: end the command")


def test_of_several_that_come_with_the_token_at_the_same_time_one_is_let_in():
    with served(SHOWN) as here, ThreadPoolExecutor(8) as pool:
        codes = codes_of(pool, here, here.door.address, 8)
    assert codes.count(303) == 1
    assert {*codes} <= {303, 403, 429}


@pytest.mark.parametrize("path", ["/", "/changes", "/?token=", "/?token=x", "/?token=x&token=y", "/docs"])
def test_without_token_and_cookie_nothing_is_shown_whatever_the_path(here, path):
    answer = here.browser().get(path)
    assert answer.status_code == 403
    assert "owner" not in answer.text


def test_a_token_does_not_open_anything_but_the_page_itself():
    with served(SHOWN) as here:
        assert here.browser().get(here.door.address.replace("/?", "/changes?")).status_code == 403
        here.welcome()


def test_wrong_tokens_and_cookies_are_answered_slowly_and_one_at_a_time():
    with served(SHOWN, slowly_s=0.4) as here:
        owner = here.welcome()
        forged = [{"cookie": f"{next(iter(owner.cookies))}=guess"}, {}]
        for headers, path in zip(forged, ("/", "/?token=guess"), strict=True):
            began = time.monotonic()
            assert here.browser().get(path, headers=headers).status_code == 403
            assert time.monotonic() - began >= 0.4
        with ThreadPoolExecutor(5) as pool:
            codes = codes_of(pool, here, "/?token=x", 5)
            assert sorted({*codes}) == [403, 429]
            assert owner.get("/").status_code == 200  # whoever guesses does not slow down the owner


OTHERS = ("127.0.0.1", "evil.example.org", "127.0.0.1:1", "127.0.0.1.evil.org:{port}", "[::2]:{port}", "0.0.0.0:{port}")


@pytest.mark.parametrize("host", [*OTHERS, ""])
def test_another_name_of_this_machine_is_refused_even_with_the_cookie(here, host):
    answer = here.owner.get("/", headers={"host": host.format(port=here.port)})
    assert answer.status_code in (400, 403)
    assert "owner" not in answer.text


@pytest.mark.parametrize("name", ["localhost", "[::1]"])
def test_its_own_names_are_taken_as_through_a_tunnel(here, name):
    headers = {"host": f"{name}:{here.port}", "cookie": cookie_of(here)}
    assert here.owner.get("/", headers=headers).status_code == 200


def test_two_hosts_and_none_are_refused(here):
    for lines in (f"Host: 127.0.0.1:{here.port}\r\nHost: evil.org", "X-Nothing: here"):
        for version in ("1.0", "1.1"):
            request = f"GET / HTTP/{version}\r\n{lines}\r\nCookie: {cookie_of(here)}\r\nConnection: close\r\n\r\n"
            assert re.match(rb"HTTP/1.1 40[03] ", here.raw(request.encode()))


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},  # another port of this machine
        {"origin": "https://evil.example.org"},
        {"origin": "http://127.0.0.1:1"},
        {"origin": "null"},
    ],
)
@pytest.mark.parametrize("path", ["/", "/changes"])
def test_what_another_site_asks_for_is_refused_even_with_the_cookie(here, headers, path):
    answer = here.owner.get(path, headers=headers)
    assert answer.status_code == 403
    assert answer.text.startswith("another page asked for this one")


def test_a_token_in_a_link_of_another_site_is_refused_and_not_spent():
    with served(SHOWN) as here:
        assert here.browser().get(here.door.address, headers={"sec-fetch-site": "cross-site"}).status_code == 403
        here.welcome()


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "PROPFIND"])
def test_it_is_only_read(here, method):
    answer = here.owner.request(method, "/")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")


def test_there_is_the_page_and_its_changes_and_nothing_else(here):
    paths = ["/docs", "/redoc", "/openapi.json", "/favicon.ico", "/changes/", "/%2e%2e/etc/passwd", "/index.html"]
    assert {here.owner.get(path).status_code for path in paths} == {404}


def test_every_answer_keeps_itself_to_itself(here):
    with here.owner.stream("GET", "/changes") as changes:
        heads = [changes.headers]
    heads += [here.owner.get(path).headers for path in ("/", "/nothing")] + [here.browser().get("/").headers]
    for head in heads:
        assert head["cache-control"] == "no-store"
        assert head["referrer-policy"] == "no-referrer"
        assert head["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in head["content-security-policy"]
        assert head["content-security-policy"].startswith("default-src 'none'")
        assert not {"server", "access-control-allow-origin"} & {*head}


def test_the_script_runs_by_a_nonce_that_is_never_the_same(here):
    found = [here.owner.get("/") for _ in range(2)]
    nonces = [re.findall(r'nonce="([^"]+)"', answer.text) for answer in found]
    assert all(len(each) == 2 and len({*each}) == 1 for each in nonces)
    assert nonces[0] != nonces[1]
    for answer, (nonce, _) in zip(found, nonces, strict=True):
        policy = answer.headers["content-security-policy"]
        assert f"script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'" in policy
        assert "unsafe" not in policy


def test_a_request_that_is_none_costs_an_answer_and_no_more(here):
    for request in (b"\x16\x03\x01\r\n\r\n", b"GET / HTTP/9\r\n\r\n", b"GET /\x00 HTTP/1.1\r\n\r\n"):
        assert here.raw(request)[:12] == b"HTTP/1.1 400"
    assert here.owner.get("/").status_code == 200


def test_only_so_many_streams_are_open_at_a_time(here):
    browsers, own = [here.browser() for _ in range(9)], {"cookie": cookie_of(here)}
    asked = [(browser, browser.build_request("GET", "/changes", headers=own)) for browser in browsers]
    opened = [browser.send(request, stream=True) for browser, request in asked]
    try:
        for answer in opened[:8]:
            assert json.loads(next(answer.iter_lines()).removeprefix("data: "))["news"] == "all is well"
        assert opened[8].status_code == 429
    finally:
        for answer in opened:
            answer.close()
