"""An address that nothing is at: people get a page with the way back, programs a line of JSON."""

from __future__ import annotations

from playwright.sync_api import Browser, expect
from running_server import RunningServer


def test_a_reader_who_is_lost_is_led_back_in_the_colours_of_the_page(
    server: RunningServer, chromium: Browser
) -> None:
    with chromium.new_context(color_scheme="dark") as context:
        page = context.new_page()
        answer = page.goto(f"{server.page_url}/no/such/<script>page")
        assert answer is not None
        assert answer.status == 404
        expect(page.locator("[data-test=notice]")).to_contain_text("There is nothing here")
        expect(page.locator("body")).to_have_css("background-color", "rgb(18, 20, 23)")
        assert "such" not in page.content()
        page.locator("[data-test=back]").click()
        expect(page.locator("[data-test=fresh]")).to_contain_text("updated")
    assert "no/such" not in server.output


def test_a_program_that_is_lost_is_told_in_json(server: RunningServer) -> None:
    for path in ("/no/such/page", "/api/nothing", "/_nicegui/nothing.js"):
        answer = server.request("GET", path, headers={"accept": "*/*"})
        assert answer.status == 404
        assert answer.json() == {"error": "there is no such path here"}
        assert "default-src 'self'" in answer.headers["content-security-policy"]
