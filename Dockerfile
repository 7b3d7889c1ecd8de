# The command line in a container; Python 3.10 is the only version that Lava runs on. Not built by any test of this repository.
#
#     docker build -t spikedeploy .
#     docker run --rm -v "$PWD:/data" spikedeploy convert --target closed-form -o out/demo
FROM python:3.10-slim

WORKDIR /src
COPY . .
RUN pip install --no-cache-dir --constraint constraints.txt .

# Results go to the folder that is mounted here.
WORKDIR /data
ENTRYPOINT ["deploy"]
