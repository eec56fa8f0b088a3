# SPDX-License-Identifier: MIT
"""The dashboard in headless Chromium: every page in both themes without a console error, a violation that
axe finds, or a request to elsewhere; hostile texts stay texts; large runs and logs are usable at once.
Prints rows of the conformance table. Screenshots go to $WORK/shots."""
import os
import sqlite3
import sys
import time

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

import fill
from serve_lib import ONE, Service, check

WORK = os.environ["WORK"]
CHROMIUM = os.environ.get("ASSAY_CHROMIUM", "/usr/bin/chromium")
SHOTS = os.path.join(WORK, "shots")


def trajectory():
    with sqlite3.connect(f"file:{os.environ['ASSAY_HOME']}/assay.db?mode=ro", uri=True) as db:
        return db.execute("SELECT episode_number FROM episodes ORDER BY (SELECT count(*) FROM turns AS t"
                          " WHERE t.episode_number = episodes.episode_number) DESC LIMIT 1").fetchone()[0]


class Browser:
    def __init__(self, playwright, service):
        self.service, self.errors, self.foreign = service, [], []
        self.browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[
            "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"])

    def page(self, scheme):
        page = self.browser.new_context(color_scheme=scheme, viewport={"width": 1280, "height": 900}).new_page()
        page.on("console", lambda m: self.errors.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: self.errors.append(str(e)))
        page.on("request", lambda r: None if r.url.startswith((self.service.url, "data:")) else self.foreign.append(r.url))
        return page

    def open(self, page, route, wanted):
        page.evaluate("() => { delete document.getElementById('main').dataset.page }")
        began = time.monotonic()
        page.evaluate("(to) => { location.hash = to }", route)
        page.wait_for_selector(f"#main[data-page='{wanted}']")
        return time.monotonic() - began


def pages(browser):
    routes = [("runs", "#/", "runs"), ("run", "#/run/episodes", "run"), ("attempt", f"#/attempt/empty/{ONE}", "attempt"),
              ("hostile", "#/attempt/big/big__task-000009", "attempt"), ("compare", "#/compare?a=empty&b=gold", "compare"),
              ("train", "#/train", "train"), ("training", "#/training/train-1", "training"), ("fleet", "#/fleet", "fleet"),
              ("suites", "#/suites", "suites"), ("suite", "#/suite/quick", "suite"), ("episode", f"#/episode/{trajectory()}", "episode")]
    found = []
    for scheme in ("light", "dark"):
        page = browser.page(scheme)
        page.goto(browser.service.url + "/")
        page.wait_for_selector("#main[data-page='runs']")
        for name, route, wanted in routes:
            browser.open(page, route, wanted)
            page.wait_for_timeout(400)
            page.screenshot(path=f"{SHOTS}/{name}-{scheme}.png", full_page=False)
            result = Axe().run(page)
            for violation in result.response["violations"]:
                found.append((name, scheme, violation["id"], violation["nodes"][0]["html"][:200], violation["nodes"][0]["failureSummary"][:300]))
            check(page.evaluate("() => window.hacked") is None, "a hostile text ran on", name)
        browser.open(page, "#/attempt/big/big__task-000009", "attempt")
        text = page.inner_text("#main")
        check("<script>window.hacked=1</script>" in text, "the patch is shown as text")
        check(page.evaluate("() => document.querySelectorAll('#main script, #main img').length") == 0, "markup from a patch")
        page.wait_for_selector("#log[data-end='false']")
        check("<script>window.hacked=1</script>" in page.inner_text("#log"), "the log is shown as text")
        page.context.close()
    return found


def large(browser):
    page = browser.page("light")
    page.goto(browser.service.url + "/")
    page.wait_for_selector("a[href='#/run/big']")
    began = time.monotonic()
    page.click("a[href='#/run/big']")
    page.wait_for_selector("[aria-rowindex='1'] a.c")
    first = time.monotonic() - began
    box = page.locator(".list")
    box.locator("a.c").first.focus()
    began = time.monotonic()
    page.keyboard.press("End")
    page.wait_for_selector(f"[aria-rowindex='{fill.BIG_TASKS}'] a.c")
    end = time.monotonic() - began
    check(page.locator(".list .r").count() < 100, "only rows in sight exist")
    page.keyboard.press("Home")
    page.wait_for_selector("[aria-rowindex='1'] a.c")
    began = time.monotonic()
    page.click("[aria-rowindex='1'] a.c")
    page.wait_for_selector("#log[data-end='false']")
    log_first = time.monotonic() - began
    began = time.monotonic()
    page.click("button:text-is('End')")
    page.wait_for_selector("#log[data-end='true']")
    log_end = time.monotonic() - began
    check("the last line of the log" in page.inner_text("#log"), "the end of the log")
    page.context.close()
    return first, end, log_first, log_end


def live(browser):
    """From the page's beginning to its first event; and an answer that is graded appears by itself."""
    page = browser.page("dark")
    page.goto(browser.service.url + "/#/?jobs=1")
    page.wait_for_selector("#live[data-first]")
    first = int(page.get_attribute("#live", "data-first"))
    rows = page.locator("tbody tr").count()
    browser.service.post("/v1/grade", {"instance_id": ONE, "patch": f"nothing {time.time()}"})
    for _ in range(100):
        if page.locator("tbody tr").first.inner_text().find("quick") >= 0 and page.locator("tbody tr").count() != rows:
            break
        page.wait_for_timeout(100)
    else:
        check(False, "the new run does not appear")
    page.context.close()
    return first


def keys(browser):
    page = browser.page("light")
    page.goto(browser.service.url + "/")
    page.wait_for_selector("a[href='#/run/big']")
    page.keyboard.press("g")
    page.keyboard.press("t")
    page.wait_for_selector("#main[data-page='train']")
    page.keyboard.press("?")
    check(page.locator("#keys").is_visible(), "the list of keys")
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("r")
    page.wait_for_selector("a[href='#/run/big']")
    page.keyboard.press("j")
    check(page.evaluate("() => document.activeElement.tagName") == "A", "j reaches the table")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_selector("#main[data-page='run']")
    page.keyboard.press("Tab")
    page.context.close()


def main(part):
    os.makedirs(SHOTS, exist_ok=True)
    service = Service("quick")
    code = 0

    def row(what, result, bound, good):
        nonlocal code
        print(f"| {what} | {result} | {bound} |", flush=True)
        code = code or (0 if good else 1)

    with sync_playwright() as playwright:
        browser = Browser(playwright, service)
        if part in ("all", "pages"):
            found = pages(browser)
            for violation in found:
                print(*violation, sep="\n    ", file=sys.stderr)
            row(f"dashboard in Chromium {browser.browser.version}: axe on 11 pages, light and dark", f"{len(found)} violations", "0", not found)
            keys(browser)
        if part in ("all", "timed"):
            first, end, log_first, log_end = large(browser)
            row("run of 100,000 attempts: first screen, jump to the end, after the click", f"{first * 1000:.0f} ms, {end * 1000:.0f} ms", "1000 ms", max(first, end) <= 1)
            row("attempt with a log of 127 MB: first screen, jump to the end", f"{log_first * 1000:.0f} ms, {log_end * 1000:.0f} ms", "1000 ms", max(log_first, log_end) <= 1)
            ms = live(browser)
            row("dashboard: first live data after the page began", f"{ms} ms", "500 ms", ms <= 500)
        for error in browser.errors + browser.foreign:
            print(error, file=sys.stderr)
        row("dashboard: console errors, requests to elsewhere", f"{len(browser.errors)}, {len(browser.foreign)}", "0, 0", not browser.errors and not browser.foreign)
        browser.browser.close()
    service.stop()
    sys.exit(code)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "all")
