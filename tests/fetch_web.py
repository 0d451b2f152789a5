"""The web of `mtf fetch`'s tests: what each of its hosts answers."""

from crawl_project import picture_bytes

LIMITS = {"per_host_delay_s": 0.0, "timeout_s": 20.0, "concurrency": 32}
BINDING = ("robots.txt", "x-robots-tag", "tdmrep")
PICTURES = [picture_bytes(number) for number in range(6)]


def answers() -> dict[str, tuple[int, dict[str, str], bytes]]:
    """Each host: six pictures, one that says noai, one that robots.txt disallows, a page, and half a picture."""
    jpeg = {"Content-Type": "image/jpeg"}
    return {
        "/robots.txt": (200, {}, b"User-agent: *\nDisallow: /private\n"),
        "/noai.jpg": (200, jpeg | {"X-Robots-Tag": "noai"}, PICTURES[0]),
        "/private.jpg": (200, jpeg, PICTURES[0]),
        "/page.jpg": (200, {"Content-Type": "text/html"}, b"<html>no picture</html>"),
        "/half.jpg": (200, jpeg, PICTURES[0][:-200]),
    } | {f"/{number}.jpg": (200, jpeg, data) for number, data in enumerate(PICTURES)}
