#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""check_timeline CONSCTL [PICTURES]: the page of consctl timeline in a real browser, as TAP.

Draws a tree of 50,000 processes from JSON lines, opens it in Chromium without a network, zooms, pans,
searches and selects by keyboard and mouse, and looks at what is drawn. With PICTURES, a directory,
screenshots are left there.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

PROCESSES = 50001
HOSTILE = "</script><img src=x onerror=\"document.title='broken'\">"
consctl = sys.argv[1]
pictures = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else None
count = 0
failures = 0


def check(name, fine, told=""):
    global count, failures
    count += 1
    print(f"{'ok' if fine else 'not ok'} {count} - {name}", flush=True)
    if not fine:
        failures += 1
        print(f"# {told}", flush=True)


def moment(ns):
    whole, rest = divmod(ns, 10**9)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(1795327980 + whole)) + f".{rest:09d}Z"


def lines():
    """A tree: 500 compilers below a make, each with 99 children, some of which fail."""
    def event(kind, ns, pid, parent, name, **more):
        return json.dumps({
            "schema": 1, "kind": kind, "seq": 1, "time": moment(ns),
            "process": {"pid": pid, "id": f"p{pid}", "start": moment(0), "name": name,
                        "exe": f"/usr/bin/{name}", "argv": [name, "-c", f"file{pid}.c"], "cwd": "/src",
                        "uid": 1000},
            "parent": {"pid": parent, "id": f"p{parent}", "name": "x"}, **more})

    def life(pid, parent, name, begin, end, code=0):
        start = event("start", begin, pid, parent, name).replace(
            f'"start": "{moment(0)}"', f'"start": "{moment(begin)}"')
        return [(begin, start),
                (end, event("exit", end, pid, parent, name, exit={
                    "code": code, "signal": 0, "cpu_ns": end - begin, "max_rss_bytes": 1 << 20}))]

    told = life(1, 0, HOSTILE, 0, 60 * 10**9)
    pid = 2
    for group in range(500):
        begin = group * 10**8
        leader = pid
        told += life(leader, 1, "cc", begin, begin + 3 * 10**8)
        pid += 1
        for child in range(PROCESSES // 500 - 1):
            at = begin + 10**6 + child * 2 * 10**6
            told += life(pid, leader, ["as", "cc1", "ld"][child % 3], at, at + 5 * 10**6, pid % 1000 == 0)
            pid += 1
    told.sort(key=lambda line: line[0])
    return [line for _, line in told]


def pixels(driver):
    """How many different colors the canvas shows, and how much of it is drawn on."""
    return driver.execute_script("""
        const canvas = document.getElementById("canvas");
        const data = new Uint32Array(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.buffer);
        const seen = new Map();
        for (const pixel of data) seen.set(pixel, (seen.get(pixel) ?? 0) + 1);
        return [seen.size, data.length - (seen.get(0) ?? 0)];""")


def settle(driver):
    driver.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]));")


def picture(driver, name):
    settle(driver)
    if pictures:
        driver.save_screenshot(str(pictures / f"{name}.png"))


def text(driver, name):
    return driver.find_element(By.ID, name).text


def comes_true(condition):
    """What the page does when it comes round to it."""
    limit = time.monotonic() + 30
    while not (fine := condition()) and time.monotonic() < limit:
        time.sleep(0.05)
    return fine


def look(driver, page):
    begin = time.monotonic()
    driver.get(page.as_uri())
    settle(driver)
    took = time.monotonic() - begin
    print(f"# {page.stat().st_size} bytes, drawn after {took:.2f} s", flush=True)
    canvas = driver.find_element(By.ID, "canvas")
    colors, drawn = pixels(driver)
    check("the picture is drawn", colors > 10 and drawn > 50000, f"{colors} colors, {drawn} pixels")
    check("all processes are told", text(driver, "counts").startswith(f"{PROCESSES} processes"), text(driver, "counts"))
    check("a name that looks like HTML is text",
          HOSTILE in driver.execute_script("return document.getElementById('text').textContent")
          and not driver.find_elements(By.TAG_NAME, "img") and driver.title != "broken", driver.title)
    picture(driver, "timeline-50000")

    canvas.send_keys("+" * 12)
    settle(driver)
    check("keys zoom", driver.execute_script("return view.span") < 60e9 * 0.7**11,
          driver.execute_script("return view.span"))
    before = driver.execute_script("return view.from")
    canvas.send_keys(Keys.ARROW_RIGHT)
    check("keys move", driver.execute_script("return view.from") > before)
    canvas.send_keys("0")
    check("0 shows all", driver.execute_script("return view.from <= 0 && view.span >= whole"))

    canvas.send_keys("/")
    search = driver.find_element(By.ID, "search")
    check("/ searches", driver.switch_to.active_element == search)
    search.send_keys("file4711.c")
    check("what is sought is found", comes_true(lambda: text(driver, "found") == "1 found"), text(driver, "found"))
    search.send_keys(Keys.ENTER)
    settle(driver)
    check("and selected", "file4711.c" in text(driver, "details"), text(driver, "details"))
    check("and said", "pid 4711" in driver.execute_script("return document.getElementById('said').textContent"))
    search.send_keys(Keys.ESCAPE)
    canvas.send_keys("z")
    settle(driver)
    check("z zooms to it", driver.execute_script("return view.span") < 10e6)
    canvas.send_keys("p")
    check("p goes to its parent", text(driver, "details").startswith("cc "), text(driver, "details"))
    canvas.send_keys("c")
    check("c goes to its child", text(driver, "details").startswith(("as ", "cc1 ", "ld ")), text(driver, "details"))
    picture(driver, "timeline-selected")
    canvas.send_keys(Keys.ESCAPE)
    check("Escape ends the selection", not driver.find_element(By.ID, "details").is_displayed())

    canvas.send_keys("0")
    settle(driver)
    ActionChains(driver).move_to_element_with_offset(canvas, -canvas.size["width"] // 2 + 300,
                                                     -canvas.size["height"] // 2 + 34).perform()
    settle(driver)
    check("hovering tells", comes_true(lambda: "pid 1," in text(driver, "tip")), text(driver, "tip"))
    span = driver.execute_script("return view.span")
    driver.execute_script("""document.getElementById("canvas").dispatchEvent(
        new WheelEvent("wheel", {deltaY: -500, bubbles: true, cancelable: true}));""")
    check("the wheel zooms", driver.execute_script("return view.span") < span)
    before = driver.execute_script("return view.from")
    ActionChains(driver).drag_and_drop_by_offset(canvas, -200, 0).perform()
    check("dragging moves", driver.execute_script("return view.from") > before)
    canvas.send_keys("0x")
    settle(driver)
    check("x shows the critical path", driver.find_element(By.ID, "path").get_attribute("aria-pressed") == "true")
    begin = time.monotonic()
    for _ in range(10):
        driver.execute_script("paint()")
    print(f"# painted in {(time.monotonic() - begin) * 100:.0f} ms", flush=True)
    errors = [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
    check("no error", not errors, errors)


def main():
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1400,860",
                     "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with tempfile.TemporaryDirectory() as work:
        os.chmod(work, 0o755)
        story = pathlib.Path(work) / "story.jsonl"
        page = pathlib.Path(work) / "page.html"
        story.write_text("\n".join(lines()) + "\n", encoding="utf-8")
        subprocess.run([os.path.abspath(consctl), "timeline", "--from", story.name, "-o", page], check=True, cwd=work)
        options.add_argument(f"--user-data-dir={work}/profile")
        driver = webdriver.Chrome(options=options, service=webdriver.chrome.service.Service("/usr/bin/chromedriver"))
        driver.set_script_timeout(120)
        try:
            look(driver, page)
        finally:
            driver.quit()
    print(f"1..{count}")
    sys.exit(failures != 0)


main()
