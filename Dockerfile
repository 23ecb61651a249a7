# The server and its workers, one image: docker build --tag groundglass .
# How to run it, and what was and was not tested: docs/deployment.md.
# The newest 3.11 of this Debian: a rebuild brings what was mended in both. All packages come as wheels, so that nothing
# is compiled and one stage will do.
FROM python:3.11-slim-trixie

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

WORKDIR /app

# First, so that a change of the code does not install them anew.
COPY --chmod=644 requirements-serve.txt requirements-queue.txt constraints.txt ./
RUN pip install --only-binary :all: -c constraints.txt -r requirements-serve.txt -r requirements-queue.txt

# Modes of their own: those of the checkout depend on the umask of whoever made it. Folders need the x.
COPY --chmod=644 LICENSE LICENSE-WEIGHTS app.py wsgi.py gunicorn.conf.py ./
COPY --chmod=755 model/ model/
COPY --chmod=755 webapp/ webapp/
COPY --chmod=755 templates/ templates/
COPY --chmod=755 static/ static/
# Shown by the page /docs.
COPY --chmod=755 docs/examples/ docs/examples/

# A volume takes the owner of the folder that it covers.
RUN mkdir -m 700 /data && chown 10001:10001 /data
VOLUME /data
# A number, by which Kubernetes sees that it is not root.
USER 10001:10001

# HOME is for what libraries remember (fonts); the rest of the image may be read-only. The file of the key is no key.
# hadolint ignore=DL3064
ENV HOST=0.0.0.0 PORT=8000 HOME=/tmp \
    GROUNDGLASS_RESULTS=/data/results GROUNDGLASS_SECRET_KEY_FILE=/data/secret-key
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 CMD ["python", "-m", "webapp.probe"]
CMD ["gunicorn", "--config", "gunicorn.conf.py", "wsgi:app"]
