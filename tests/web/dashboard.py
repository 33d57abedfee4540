"""How tests come to the pages of the dashboard: in the browser, or without one."""

import httpx
from selenium.webdriver.common.by import By


def open_page(browser, fleet, path):
    browser.get(fleet.people_url + path)
    return browser.find_element(By.TAG_NAME, "main").text


class Visitor:
    """A browser without a browser."""

    def __init__(self, fleet):
        self.client = httpx.Client(verify=fleet.context(), base_url=fleet.people_url)
        self.own = {"Origin": fleet.people_url}

    def log_in(self, name, password, **headers):
        return self.client.post("/login", data={"name": name, "password": password}, headers=self.own | headers)
