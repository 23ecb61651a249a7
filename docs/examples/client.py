"""Send a volume, wait for its job, keep its mask. Needs the package requests."""

import os
import time
from urllib.parse import urljoin

import requests

SERVER = os.environ.get("SERVER", "http://127.0.0.1:8000")

client = requests.Session()
if key := os.environ.get("GROUNDGLASS_KEY"):
    client.headers["Authorization"] = f"Bearer {key}"


def checked(answer):
    """Return an answer; raise the server's own sentence where something is wrong."""
    if answer.headers["Content-Type"] == "application/problem+json":
        raise SystemExit(answer.json()["detail"])
    answer.raise_for_status()
    return answer


with open("scan.nii.gz", "rb") as file:
    sent = checked(client.post(f"{SERVER}/predict", files={"file": file}))

address = urljoin(sent.url, sent.headers["Location"])
while (job := checked(client.get(address)).json())["state"] in ("queued", "working"):
    print(f"{job['slices_done']} of {job['slices'] or '?'} slices")
    time.sleep(1)
if job["state"] == "failed":
    raise SystemExit(job["problem"]["detail"])

volume = job["measurements"]["volume"]
print(f"{volume['lesion_percent_of_lung']} % of the lung, severity {volume['severity_grade']}")
with open("mask.nii.gz", "wb") as file:
    file.write(checked(client.get(urljoin(address, job["files"]["mask.nii.gz"]))).content)
