"""The page of a scan: what is in its bins, and how it behaves in a browser without a network."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from payloads.forensics.showing import bins
from payloads.forensics.showing.bins import page_data
from payloads.forensics.showing.folder import Folder
from payloads.forensics.showing.page import MOST_BYTES, page, write_page
from payloads.forensics.tables import TABLES
from tests.forensics import made
from tests.forensics.made import BEGAN, SECOND

pytest.importorskip("vl_convert", reason="the extra `page` is not installed")
HOSTILE = "</script><img src=x onerror=alert(1)><!--<script>\u2028&amp;'\"‮"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
CHARTS = ("outcomes", "findings", "price", "signers", "latency", "gaps")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made.made(tmp_path_factory.mktemp("scan") / "one")


@pytest.fixture(scope="module")
def data(folder: Path) -> Any:
    with Folder(folder) as opened:
        return page_data(opened)


# --- the data -------------------------------------------------------------------------------------


def price_rows(data: Any, feed: int, field: str) -> list[Any]:
    name = made.hexed(made.FEEDS[feed])
    (found,) = (each for each in data["prices"]["feeds"] if each["feed"] == name)
    return list(found["fields"][field])


def test_a_spike_is_in_its_bin_and_no_price_is_averaged(data: Any) -> None:
    spiked = [row for row in price_rows(data, 0, "benchmark_price") if row[2] == 900]
    assert len(spiked) == 1
    at, least, most, last, count = spiked[0]
    assert at <= (BEGAN / SECOND + made.SPIKE_AT) * 1000 + 250 < at + data["prices"]["step"]
    assert (least, most, last, count) == (900, 900, 900, 1)
    for field in ("benchmark_price", "bid", "ask"):
        assert sum(row[4] for row in price_rows(data, 0, field)) == 121, "every price is in a bin"


def test_a_spike_survives_coarse_bins(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bins, "BINS", 3)
    monkeypatch.setattr(bins, "WINDOWS", 0)
    with Folder(folder) as opened:
        rows = price_rows(page_data(opened), 0, "benchmark_price")
    assert len(rows) == 3
    assert [row[2] for row in rows] == [103, 900, 109]
    assert [row[1] for row in rows] == [100, 103, 106]


def test_bins_are_narrower_around_findings(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bins, "BINS", 12)
    with Folder(folder) as opened:
        rows = price_rows(page_data(opened), 0, "bid")
    spike = (BEGAN // SECOND + made.SPIKE_AT) * 1000
    near = [row for row in rows if abs(row[0] - spike) < 30_000]
    assert {row[4] for row in near} <= {1, 2}, "nearly each price has a bin of its own there"
    assert len(rows) > 12
    assert max(row[4] for row in rows) > 5, "and far from findings it has not"


def test_a_frame_of_another_year_does_not_blur_the_rest(tmp_path: Path) -> None:
    plan = made.Made()
    for second in (-(10**8), *range(0, 600, 5)):
        plan.chainlink(0, second, made.NETWORK.sign(made.report(0, 0, 100), epoch=1))
    with Folder(plan.write(tmp_path / "scan")) as opened:
        found = page_data(opened)
    assert found["span"] == [BEGAN / 10**6, BEGAN / 10**6 + 595_000]
    assert found["outside"] == 1
    assert len(price_rows(found, 0, "bid")) > 100
    assert sum(row[4] for row in price_rows(found, 0, "bid")) == 120
    assert sum(row[2] for row in found["timeline"]["rows"]) == 120
    assert found["summary"]["payloads"]["count"] == 121, "the figures have it"


def test_latency_signers_and_gaps(data: Any) -> None:
    assert data["latency"]["venues"] == ["chainlink", "stork"]
    stork = [row for row in data["latency"]["rows"] if row[0] == 1]
    assert {row[3] for row in stork if row[6] == 1} >= {20.0}
    assert max(row[5] for row in stork) == pytest.approx(2520, abs=1), "the copies came later"
    strangers = [each for each in data["signers"]["list"] if each["member"] is None]
    assert {each["signer"] for each in strangers} == {
        one.lower() for one in made.STRANGERS.signers[:3]
    }
    silent = [each for each in data["gaps"] if each["kind"] == "stale-feed"]
    assert [each["to"] - each["from"] for each in silent] == [made.SILENT_FOR * 1000]


def test_the_bytes_of_findings_are_those_that_inspect_shows(data: Any) -> None:
    (finding,) = (each for each in data["findings"] if each["code"] == "malformed")
    row = finding["rows"][0]
    view = data["annotated"]["payloads"][f"{row['frame']}.{row['index']}"]
    assert view["error"]
    assert any(span[7] for span in view["spans"])
    assert row["path"] == "one.jsonl"


def test_what_is_suppressed_is_not_in_the_page(data: Any) -> None:
    assert "never shown" not in json.dumps(data)


def worst(folder: Path) -> Path:
    """A scan that fills every bound of the page: many feeds, signers, findings and long texts."""
    database = duckdb.connect()
    frames, some = "range(0, 40000, 4) t(i)", "range(0, 40000, 80) t(i)"
    at = f"make_timestamp_ns({BEGAN} + i * 1000000000)::TIMESTAMPTZ_NS"
    raw = f"'{made.NETWORK.sign(made.report(0, 0, 1)).encode().hex()}'"
    text = "repeat('w€rds ', 100)"
    queries = {
        "frames": f"SELECT i AS frame, 0::INT AS input, {at} AS at, 'v' || i % 50 AS venue,"
        f" i % 3000 AS connection, 'in' AS direction, 'signed' AS kind, 1::INT AS payloads,"
        f" false AS redacted FROM {frames}",
        "payloads": f"SELECT i AS frame, 0::SMALLINT AS index, '' AS path, {at} AS at,"
        " 'v' || i % 50 AS venue, 'chainlink' AS system, 'hash' || i // 8 AS signed_hash,"
        f" make_timestamp_ns({BEGAN} + i * 999000000)::TIMESTAMPTZ_NS AS observed,"
        f" i % 3000 AS connection, from_hex({raw}) AS raw FROM {frames}",
        "prices": "SELECT i AS frame, 0::SMALLINT AS index, 'chainlink' AS system,"
        f" {text} || i // 4 % 30 AS feed, 'field' || n AS field, {at} AS at,"
        f" (i * 123456789123456789::HUGEINT)::DECIMAL(38, 0) AS value FROM {frames},"
        " range(6) u(n)",
        "signatures": "SELECT i AS frame, 0::SMALLINT AS index, n::SMALLINT AS position,"
        f" {at} AS at, 'chainlink' AS system, {text} || n AS signer, {text} AS network"
        f" FROM {some}, range(60) u(n)",
        "findings": f"SELECT {text} || i AS code, 1::SMALLINT AS revision, 'danger' AS severity,"
        f" 'stream' AS \"group\", 'chainlink' AS system, {text} || i // 7 % 30 AS feed,"
        f" i % 3000 AS connection, {at} AS began, {at.replace('+ i', '+ 9 + i')} AS ended,"
        f" 5::BIGINT AS count, {text} AS sentence, {text} AS evidence, {text} AS fingerprint,"
        " false AS suppressed, false AS known,"
        " [{'frame': i, 'index': 0::SMALLINT}, {'frame': i, 'index': 0::SMALLINT}] AS rows"
        " FROM range(2000) t(i)",
        "inputs": f"SELECT i::INT AS input, {text} || i AS path, true AS read, [{text}] AS problems"
        " FROM range(1000) t(i)",
    }
    folder.mkdir()
    for table, query in queries.items():
        schema = TABLES[table]
        found = database.sql(query).to_arrow_table()
        columns = {name: found[name] for name in found.schema.names}
        arrays = [
            columns[field.name].cast(field.type)
            if field.name in columns
            else pa.nulls(len(found), field.type).fill_null(0)
            if not field.nullable
            else pa.nulls(len(found), field.type)
            for field in schema
        ]
        pq.write_table(pa.table(arrays, schema=schema), folder / f"{table}.parquet")
    return folder


def test_the_page_is_bounded_whatever_the_scan(tmp_path: Path) -> None:
    with Folder(worst(tmp_path / "worst")) as opened:
        found = page_data(opened)
    size = len(json.dumps(found, separators=(",", ":")))
    assert len(found["prices"]["feeds"]) == bins.FEEDS
    assert len(found["findings"]) == bins.FINDINGS
    assert len(found["signers"]["list"]) == bins.SIGNERS
    assert bins.MOST_BYTES / 3 < size < bins.MOST_BYTES
    assert len(found["annotated"]["payloads"]) > 20


def test_the_page_without_its_data_is_bounded_and_has_no_request_in_it() -> None:
    text = page({})
    assert len(text.encode()) < MOST_BYTES
    assert text.count("</script>") == 3
    assert "default-src 'none'" in text
    assert not re.search(r"unsafe-(eval|inline)", text.partition("</head>")[0].partition(">")[2])


def test_a_new_page_replaces_the_old_one_whole(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("old")
    with Folder(folder) as opened:
        written = write_page(opened, tmp_path / "report.html")
    assert written.read_text().startswith("<!doctype html>")
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]


# --- in a browser ---------------------------------------------------------------------------------


class Opened:
    """A page in the browser, with all that it said and asked for."""

    def __init__(self, context: Any, path: Path) -> None:
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page = context.new_page()
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", self._refuse)
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("body[data-ready=yes]", state="attached", timeout=60_000)

    def _refuse(self, dialog: Any) -> None:
        self.said.append("dialog")
        dialog.dismiss()

    def all(self, script: str) -> Any:
        return self.page.evaluate(script)

    def rows(self, selector: str) -> list[str]:
        return list(self.page.locator(f"{selector} tbody tr").all_inner_texts())

    def drawn(self) -> None:
        self.page.wait_for_timeout(20)
        self.page.wait_for_selector("body[data-drawn=yes]", state="attached", timeout=60_000)

    def focused(self) -> str:
        return str(self.all("document.activeElement.id"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if os.environ.get("PAYLOADS_BROWSER") != "1":
        pytest.skip("opens Chromium: make test-page")
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    with api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def written(folder: Path) -> Path:
    with Folder(folder) as opened:
        return write_page(opened, folder / "report.html")


@pytest.fixture(scope="module")
def context(browser: Any) -> Any:
    # Offline: what the page would ask for fails, and is seen.
    return browser.new_context(offline=True, viewport={"width": 1200, "height": 900})


@pytest.fixture(scope="module")
def opened(context: Any, written: Path) -> Opened:
    return Opened(context, written)


@pytest.fixture
def fresh(opened: Opened) -> Opened:
    """The page as it was when it was opened."""
    opened.all("document.getElementById('tab-summary').click();"
               "document.getElementById('whole').click()")  # fmt: skip
    opened.drawn()
    return opened


def test_it_renders_without_an_error_and_without_a_request(opened: Opened, written: Path) -> None:
    assert opened.said == []
    assert [url for url in opened.asked if not url.startswith("data:")] == [written.as_uri()]
    for name in CHARTS:
        assert opened.page.locator(f"#chart-{name} svg path").count() > 5, name
    assert opened.page.locator("[role=tab]").all_inner_texts() == [
        "Summary", "Timeline", "Prices", "Signers", "Latency", "Gaps", "Findings",
    ]  # fmt: skip


def test_nothing_in_it_could_send_a_request(opened: Opened) -> None:
    refused = "fetch('http://127.0.0.1:9/').then(() => 'sent', (error) => String(error))"
    assert "sent" not in opened.all(refused)
    assert opened.all("new Promise((done) => { const image = new Image(); image.onload = () => "
                      "done('sent'); image.onerror = () => done('refused'); "
                      "image.src = 'http://127.0.0.1:9/x.png'; })") == "refused"  # fmt: skip
    opened.said.clear()  # the browser said that the policy forbids it
    opened.asked[:] = [url for url in opened.asked if not url.startswith("http:")]


def test_it_answers_the_first_questions(fresh: Opened) -> None:
    said = fresh.page.locator("#first-bad").inner_text()
    assert "2026-03-01 12:03:20.300" in said
    assert "one.jsonl, line 41" in said
    assert made.STRANGERS.signers[0].lower() in said
    assert "2 times" in said
    assert "5.05 s at most" in said


def test_filters(fresh: Opened) -> None:
    fresh.page.click("#tab-findings")
    assert len(fresh.rows("#finding-list")) == 5
    fresh.page.uncheck("#severity-info")
    assert len(fresh.rows("#finding-list")) == 4
    fresh.page.select_option("#code", "jump")
    assert ["jump" in row for row in fresh.rows("#finding-list")] == [True]
    assert "1 of 5 findings" in fresh.page.locator("#matching").inner_text()
    fresh.page.select_option("#code", "")
    fresh.page.fill("#text", "no config")
    assert ["unknown-signer" in row for row in fresh.rows("#finding-list")] == [True]
    fresh.drawn()
    strip = fresh.page.locator("#chart-findings .role-axis-label text")
    assert "unknown-signer" in strip.all_text_contents()
    assert "jump" not in strip.all_text_contents(), "the charts are filtered, too"
    fresh.page.fill("#text", "")
    fresh.page.check("#severity-info")
    assert len(fresh.rows("#finding-list")) == 5


def test_drilling_down_with_the_keyboard_alone(fresh: Opened) -> None:
    press = fresh.page.keyboard.press
    fresh.page.focus("#tab-summary")
    press("End")
    assert fresh.focused() == "tab-findings"
    while fresh.all("document.activeElement.tagName") != "TR":
        press("Tab")
    assert fresh.all("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    press("ArrowDown")
    press("Enter")
    chosen = fresh.page.locator("#finding").inner_text()
    assert "malformed was found" in chosen
    assert "one.jsonl, line" in chosen
    assert "Problem: " in fresh.page.locator("#finding tr.problem").inner_text()
    press("ArrowUp")
    press("Enter")
    assert "3 signers of no config" in fresh.page.locator("#finding").inner_text()
    while fresh.focused() != "zoom-to":
        press("Tab")
    press("Enter")
    fresh.drawn()
    assert fresh.focused() == "tab-prices"
    first, last = (fresh.page.input_value(f"#{name}") for name in ("from", "to"))
    assert "2026-03-01 12:03:" in first < "2026-03-01 12:03:20.300" < last
    ticks = fresh.page.locator("#chart-price .role-axis-label text").all_text_contents()
    assert any(":20" in tick for tick in ticks), ticks


def test_charts_are_moved_by_keys_by_buttons_and_by_the_mouse(fresh: Opened) -> None:
    def span() -> str:
        fresh.drawn()
        return str(fresh.page.locator("#said").inner_text())

    fresh.page.click("#tab-timeline")
    assert span() == "9 min 55 s shown"
    fresh.page.focus("#chart-outcomes")
    fresh.page.keyboard.press("+")
    assert span() == "4 min 57 s shown"
    fresh.page.keyboard.press("ArrowRight")
    moved = fresh.page.input_value("#from")
    fresh.page.keyboard.press("ArrowLeft")
    assert fresh.page.input_value("#from") < moved
    fresh.page.keyboard.press("0")
    assert span() == "9 min 55 s shown"
    fresh.page.click("#closer")
    assert span() == "4 min 57 s shown"
    fresh.page.click("#whole")
    fresh.drawn()
    box = fresh.page.locator("#chart-outcomes svg").bounding_box()
    fresh.page.mouse.move(box["x"] + 400, box["y"] + 150)
    fresh.page.keyboard.down("Control")
    fresh.page.mouse.wheel(0, -300)
    fresh.page.keyboard.up("Control")
    fresh.page.wait_for_function("!document.getElementById('said').textContent.startsWith('9 min')")
    assert fresh.page.input_value("#from") > "2026-03-01 12:00:01"
    fresh.page.fill("#from", "2026-03-01 12:04:00")
    fresh.page.fill("#to", "2026-03-01 12:05:00")
    fresh.page.keyboard.press("Tab")
    assert span() == "1 min shown"
    fresh.page.fill("#to", "yesterday")
    fresh.page.keyboard.press("Tab")
    assert fresh.page.get_attribute("#to", "aria-invalid") == "true"


def test_a_mark_in_a_chart_opens_its_finding(fresh: Opened) -> None:
    fresh.page.click("#tab-prices")
    fresh.page.locator("#chart-price .layer_3_marks path").last.click(force=True)
    assert fresh.page.get_attribute("#tab-findings", "aria-selected") == "true"
    assert fresh.page.locator("#finding h3").count() == 1


def test_every_chart_is_a_table_as_well(fresh: Opened) -> None:
    for name, tab in (("outcomes", "timeline"), ("price", "prices"), ("signers", "signers")):
        fresh.page.click(f"#tab-{tab}")
        details = fresh.page.locator(f"figure:has(#chart-{name}) details")
        details.locator("summary").click()
        details.locator("tbody tr").first.wait_for()
        assert details.locator("tbody tr").count() > 5, name


def test_light_dark_and_print(fresh: Opened) -> None:
    colour = "getComputedStyle(document.body).backgroundColor"
    label = "getComputedStyle(document.querySelector('#chart-price .role-axis-label text')).fill"
    light, ink = fresh.all(colour), fresh.all(label)
    fresh.page.emulate_media(color_scheme="dark")
    fresh.page.wait_for_selector("#theme[aria-pressed=true]")
    assert fresh.all(colour) != light
    assert fresh.all(label) != ink, "the charts follow"
    fresh.page.emulate_media(color_scheme="dark", media="print")
    assert fresh.all(colour) == light, "paper is white"
    shown = (
        "[...document.querySelectorAll('[role=tabpanel]')].every((each) => each.offsetHeight > 50)"
    )
    assert fresh.all(shown), "every part is printed"
    assert not fresh.page.locator("nav").is_visible()
    assert fresh.page.pdf().startswith(b"%PDF")
    fresh.page.emulate_media(color_scheme="light", media="screen")
    fresh.page.wait_for_selector("#theme[aria-pressed=false]")
    fresh.page.focus("#theme")
    fresh.page.keyboard.press("Enter")
    assert fresh.all(colour) != light
    fresh.page.keyboard.press("Enter")
    assert fresh.all(colour) == light


# The name of a control, as far as this page makes one.
_NAMELESS = """
[...document.querySelectorAll(`button, input, select, [role=tab], [role=tabpanel], [role=region],
  [role=group], [role=tablist], summary, section[aria-label], th`)].filter((each) => {
    const label = each.labels && each.labels[0] && each.labels[0].textContent;
    const by = document.getElementById(each.getAttribute('aria-labelledby'));
    const name = each.getAttribute('aria-label') || label || (by && by.textContent)
      || each.textContent;
    return !name || !name.trim();
  }).map((each) => each.outerHTML.slice(0, 100))
"""


def test_every_control_has_a_name_and_can_be_reached(fresh: Opened) -> None:
    assert fresh.all(_NAMELESS) == []
    clickable = (
        "[...document.querySelectorAll('button:not([role=tab]), select, input, summary')]"
        ".filter((each) => each.tabIndex < 0).length"
    )
    assert fresh.all(clickable) == 0
    assert fresh.all("document.documentElement.lang") == "en"
    for name in CHARTS:
        assert fresh.page.get_attribute(f"#chart-{name}", "tabindex") == "0"
        assert ":" in fresh.page.get_attribute(f"#chart-{name}", "aria-label"), name


def test_no_error_was_said_by_now(opened: Opened) -> None:
    assert opened.said == []


def test_hostile_text_is_only_text(context: Any, tmp_path: Path) -> None:
    folder = made.made(tmp_path / "hostile", hostile=HOSTILE)
    with Folder(folder) as opened:
        path = write_page(opened, tmp_path / "report.html")
    found = Opened(context, path)
    assert found.said == []
    assert [url for url in found.asked if not url.startswith("data:")] == [path.as_uri()]
    assert found.page.locator("img, script[src], iframe").count() == 0
    assert f"{HOSTILE}one.jsonl, line 41" in found.all(
        "document.getElementById('first-bad').textContent"
    )
    found.page.click("#tab-findings")
    assert HOSTILE in found.all("document.getElementById('finding-list').textContent")
    found.page.close()


def test_a_scan_of_nothing_has_a_page(context: Any, tmp_path: Path) -> None:
    (tmp_path / "scan.json").write_text("{}")
    with Folder(tmp_path) as opened:
        path = write_page(opened, tmp_path / "report.html")
    found = Opened(context, path)
    assert found.said == []
    assert "None: every payload decodes" in found.page.locator("#panel-summary").inner_text()
    found.page.close()
