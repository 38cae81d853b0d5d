"""The site in a real browser: sorting, filtering, the protocol switch, links, accessibility, and no request outside."""

from __future__ import annotations

import re
import shutil

import pytest

from benchmarks.publish.command import publish_site

playwright = pytest.importorskip("playwright.sync_api", reason="pip install '.[browser]'")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
SERIOUS = {"serious", "critical"}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published") / "site"
    publish_site(folder, None, None, show_images=False)
    return folder


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def page(browser, site):
    """A page that fails the test on a console error and on a request that leaves the folder of the site."""
    wrong: list[str] = []
    opened = browser.new_page()
    opened.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    inside = (site.as_uri(), "data:")
    opened.on("request", lambda request: None if request.url.startswith(inside) else wrong.append(request.url))
    yield opened
    opened.close()
    assert not wrong


def numbers(page, name, place):
    rows = page.locator(f"#{name} tbody tr").all()
    texts = [row.locator("td").nth(place).inner_text() for row in rows]
    return [float(text.split()[0]) for text in texts]


def test_a_click_on_a_heading_sorts_by_its_numbers_up_and_down(page, site):
    page.goto((site / "suites" / "wild.html").as_uri())
    heading = page.locator("#wild-mini-0 thead th").nth(2)
    heading.locator("button").click()
    found = numbers(page, "wild-mini-0", 1)
    assert heading.get_attribute("aria-sort") == "ascending" and found == sorted(found) and len(set(found)) > 3
    heading.locator("button").press("Enter")
    assert heading.get_attribute("aria-sort") == "descending" and numbers(page, "wild-mini-0", 1) == found[::-1]


def test_filters_by_text_supervision_and_floors(page, site):
    page.goto((site / "suites" / "wild.html").as_uri())
    table = page.locator("#wild-mini-0")

    def shown():
        return [row.inner_text() for row in table.locator("tbody tr:visible th").all()]

    everything = shown()
    table.get_by_label("floors").uncheck()
    assert "Image centre" in everything and "Image centre" not in shown() and "Stable Keypoints" in shown()
    table.get_by_label("Search").fill("stable")
    assert shown() == ["Stable Keypoints"]
    table.get_by_label("Search").fill("")
    table.get_by_label("Supervision").select_option("supervised")
    assert shown() and all("¶" in label for label in shown())


def test_the_switch_shows_one_protocol_at_a_time(page, site):
    page.goto((site / "suites" / "wild.html").as_uri())
    switch = page.locator("[data-switch=wild-mini]")
    page.locator("#wild-mini-0").wait_for(state="visible")
    switch.get_by_label("siarohin", exact=True).check()
    captions = [each.inner_text() for each in page.locator("[data-view=wild-mini] caption:visible").all()]
    assert len(captions) == 1 and "siarohin" in captions[0]


def test_an_address_brings_back_the_protocol_and_the_order(page, site):
    page.goto((site / "suites" / "wild.html").as_uri())
    page.locator("[data-switch=wild-mini]").get_by_label("strict", exact=True).check()
    shown = page.locator("section:first-of-type .results:visible").first
    name = shown.get_attribute("id")
    assert page.url.endswith(f"#{name}") and name != "wild-mini-0"
    for _ in range(2):
        shown.locator("thead button").nth(2).click()
    assert page.url.endswith(f"#{name}:2:descending")
    found, address = numbers(page, name, 1), page.url
    page.goto("about:blank")
    page.goto(address)
    page.locator(f"#{name}").wait_for(state="visible")
    assert page.locator("#wild-mini-0").is_hidden()
    assert page.locator("[data-switch=wild-mini]").get_by_label("strict", exact=True).is_checked()
    assert numbers(page, name, 1) == found == sorted(found, reverse=True)


@pytest.mark.parametrize("address", ["#", "#none", "#wild-mini-0:99:descending", "#main", "#%E0%A4%A", "#wild-mini-0:"])
def test_other_addresses_show_the_page_as_it_is(page, site, address):
    page.goto((site / "suites" / "wild.html").as_uri() + address)
    page.locator("#wild-mini-0").wait_for(state="visible")


def test_the_columns_of_a_suite_lead_to_their_tasks(page, site):
    page.goto((site / "suites" / "wild.html").as_uri())
    page.locator("#wild-mini-0").get_by_label("page of cub_002").click()
    assert page.url == (site / "tasks" / "cub_002.html").as_uri()


def test_every_link_leads_somewhere(site):
    for file in site.rglob("*.html"):
        text = file.read_text()
        for address in re.findall(r'(?:href|src)="([^"#]*)', text):
            if address and not address.startswith("data:"):
                if address.startswith("https://"):  # a paper, which opens on a click alone
                    assert f'<a href="{address}" rel="noreferrer">' in text, f"{file}: {address}"
                    continue
                assert not address.startswith(("http", "//")), f"{file}: {address}"
                assert (file.parent / address).resolve().is_file(), f"{file}: {address}"
        anchors = set(re.findall(r' id="([^"]+)"', text))
        assert len(anchors) == len(re.findall(r' id="([^"]+)"', text)), f"{file}: an id twice"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "name",
    [
        "index.html",
        "suites/wild.html",
        "tasks/taichi.html",
        "methods/stable_keypoints.html",
        "experiments.html",
        "protocols.html",
    ],
)
def test_axe_finds_nothing_serious(browser, site, name, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = browser.new_page(color_scheme=scheme)
    page.goto((site / name).as_uri())
    report = axe.Axe().run(page).response
    page.close()
    found = [each for each in report["violations"] if each["impact"] in SERIOUS]
    assert len(report["passes"]) > 10
    assert not found, [(each["id"], each["nodes"][0]["html"], each["nodes"][0]["failureSummary"]) for each in found]


@pytest.mark.parametrize("width", [360, 820, 1400])
def test_no_page_is_wider_than_the_window(page, site, width):
    page.set_viewport_size({"width": width, "height": 800})
    for file in sorted(site.rglob("*.html")):
        page.goto(file.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width, file.relative_to(site)


def test_two_hundred_rows_are_sorted_by_one_click(page, site):
    page.goto((site / "suites" / "wild.html").as_uri())
    page.evaluate(
        "() => { const body = document.querySelector('#wild-mini-0 tbody'); const row = body.rows[0];"
        " for (let n = 0; n < 200; n++) { const copy = row.cloneNode(true);"
        " copy.cells[1].dataset.order = (n * 7919) % 200; body.append(copy); } }"
    )
    page.locator("#wild-mini-0 thead button").nth(1).click()
    found = page.evaluate(
        "() => Array.from(document.querySelectorAll('#wild-mini-0 tbody tr'), (row) => +row.cells[1].dataset.order)"
    )
    assert found == sorted(found) and len(found) > 200


def test_annotated_landmarks_stand_in_the_pictures_of_all_methods(page, site):
    page.goto((site / "tasks" / "cub_001.html").as_uri())
    pictures = page.locator("table.pictures").first.locator("tbody tr").first.locator("svg")
    before = [pictures.nth(place).screenshot() for place in range(pictures.count())]
    page.locator("table.pictures .truth").first.evaluate("marks => marks.remove()")
    after = [pictures.nth(place).screenshot() for place in range(pictures.count())]
    assert len(before) > 3 and all(one != other for one, other in zip(before, after, strict=True))
