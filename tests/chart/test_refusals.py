"""Bad values are refused in words that say what to do."""

from collections.abc import Callable

import pytest

TWIN = '{"type":"modbus","host":"h","tags":"tags/press07.csv"}'
LARGE = "x" * 100_000
STRIMZI = ("--set", "topics.strimzi.enabled=true", "--set", "topics.strimzi.cluster=kafka")
STORE = ("--set-json", 'plant.sinks.lake={"type":"parquet","path":"s3://acme/lake"}',
         "--set-json", "sinks.lake=null")  # fmt: skip
SCRAM = ("--set", "topics.strimzi.users=true", "--set", "kafka.security=SASL_SSL",
         "--set", "kafka.existingSecret=tools")  # fmt: skip
CONDUIT = 'networkPolicy.sinks.{}={{"ports":[443]}}'
LONG = "p" * 64
FLAT = '{"type":"flatten","topic":"mine.v1"}'

CASES = {
    "a type": (["--set", "workers.alerts.replicas=two"],
               "at '/workers/alerts/replicas': got string, want integer"),
    "an unknown name": (["--set", "replicaCount=2"],
                        "additional properties 'replicaCount' not allowed"),
    "a choice": (["--set", "kafka.security=TLS"],
                 "at '/kafka/security': value must be one of 'PLAINTEXT', 'SSL'"),
    "no plant": (["--set-json", "plant=null"], "at '': missing property 'plant'"),
    "a section taken away": (["--set-json", "kafka.ca=null"],
                             "at '/kafka': missing property 'ca'"),
    "a default taken away": (["--set-json", "defaults.workers=null"],
                             "at '/defaults': missing property 'workers'"),
    "no site": (["--set-json", "plant.site=null"], "plant.site: has nothing behind it"),
    "the name of a file": (["--set", "plant=plant.yaml"],
                           "read it with --set-file plant=plant.yaml"),
    "no section": (["--set", "plant.sinks.lake=parquet"],
                   "plant.sinks.lake: is no section: write its settings below it"),
    "a broker without a port": (["--set", "kafka.bootstrap=kafka"],
                                '"kafka" is no address of a broker: write host:port'),
    "a broker as a page": (["--set", "kafka.bootstrap=http://kafka:9092"], "without http://"),
    "a registry without http": (["--set", "registry.url=registry:8081"], "it begins with http://"),
    "an authority without TLS": (["--set", "kafka.ca.existingSecret=x"],
                                 "would not be used with kafka.security PLAINTEXT"),
    "a registry's authority without TLS": (["--set", "registry.ca.existingSecret=x"],
                                           "which is not encrypted: write https://"),
    "no such processor": (["--set", "workers.windowstatistics.replicas=2"],
                          "workers.windowstatistics: there is no such processor; there are: al"),
    "a variable that no pod has": (
        ["--set", "plant.sources.press_plc.host=${env:HOST}"],
        "sources.press_plc takes ${env:HOST}, which its pod does not have"),
    "no YAML": (["--set", "plant=a: b: c"], "plant: this is no YAML"),
    "a word as a plant": (["--set", "plant=hello"],
                          'plant: "hello" is no configuration: write it below'),
    "a list as a plant": (["--set", "plant=- a: b"],
                          'plant: "- a: b" is no configuration: write it below'),
    "a list of sources": (["--set-json", 'plant.sources=[{"type":"modbus"}]'],
                          "plant.sources: is no section: write a name for each below it"),
    "a list of assets": (["--set-json", 'plant.assets=["stamping/line1/press07"]'],
                         "plant.assets: is no section: write a name for each below it"),
    "a list of tag lists": (["--set-json", 'plant.sources.press_plc.tags=["tags/press07.csv"]'],
                            'tags is the path of a file, not ["tags/press07.csv"]'),
    "no Kafka": (["--set", "kafka.bootstrap="], "kafka.bootstrap: where is Kafka?"),
    "no registry": (["--set", "registry.url="], "registry.url: where is the schema registry?"),
    "SASL without a secret": (["--set", "kafka.security=SASL_SSL"],
                              "name the secret with user and password in kafka.existingSecret"),
    "a secret for nothing": (["--set", "kafka.existingSecret=x"],
                             "would not be used with kafka.security PLAINTEXT"),
    "a section of the chart's": (["--set", "plant.kafka.bootstrap=x"],
                                 "plant.kafka: the chart writes this section"),
    "settings of no source": (["--set-json", 'connectors={"pres":{}}'],
                              "connectors.pres: the plant has no such source; it has: press_plc"),
    "settings of no sink": (["--set-json", 'sinks.store={}'],
                            "sinks.store: the plant has no such sink; it has: lake"),
    "a missing tag list": (["--set", "plant.sources.press_plc.tags=tags/other.csv"],
                           "the plant names the tag list tags/other.csv, which is not there"),
    "a file with a blank": (["--set", "files.tags/press 07\\.csv=x"],
                            "files.tags/press 07.csv: a ConfigMap takes names of letters, dig"),
    "a file from the root": (["--set", "files./tags/press07\\.csv=x"],
                             "files./tags/press07.csv: the files are below the folder of plant"),
    "a file beside the plant's folder": (["--set", "files.tags/\\.\\./\\.\\./a=x"],
                                         "files.tags/../../a: the files are below the folder of"),
    "files that fall together": (["--set", "files.tags/a=x", "--set", "files.tags--a=x"],
                                 "files: tags--a and tags/a would be one in the ConfigMap"),
    "a lake without a volume": (["--set", "sinks.lake=null"],
                                "no volume is there: set sinks.lake.persistence"),
    "a lake beside its volume": (["--set", "sinks.lake.persistence.mountPath=/data"],
                                 "which is not on its volume at /data"),
    **{f"a volume at {path}": (
        ["--set", f"sinks.lake.persistence.mountPath={path}",
         "--set", f"plant.sinks.lake.path={path}/lake"],
        "the pod has something else at ")
        for path in ("/tmp", "/tmp/", "/etc", "/etc/penstock/lake", "/run/penstock")},
    "an object store without a conduit": (
        [*STORE], "say where that store is, as networkPolicy.sinks.lake: {ports: [443]}"),
    "a conduit without ports": (["--set-json", 'networkPolicy.sinks.lake={"to":[]}'],
                                "at '/networkPolicy/sinks/lake': missing property 'ports'"),
    "a conduit to no sink": (["--set-json", CONDUIT.format("lak")],
                             "networkPolicy.sinks.lak: the plant has no such sink; it has: lake"),
    "nobody who may scrape": (["--set", "monitoring.serviceMonitor.enabled=true"],
                              "let nobody scrape: name Prometheus in networkPolicy.metricsFrom"),
    "a limit taken away": (["--set-json", "workers.alerts.resources.limits.memory=null"],
                           "at '/workers/alerts/resources/limits/memory': got null"),
    "two pods on one volume": (["--set", "sinks.lake.replicas=2"],
                               "2 pods cannot share a volume that is ReadWriteOnce"),
    "more workers than partitions": (["--set", "workers.alerts.replicas=4"],
                                     "workers.alerts.replicas is 4, and Kafka's topics have 3"),
    "more workers than KEDA starts": (
        ["--set", "keda.enabled=true", "--set", "keda.maxWorkers=1",
         "--set", "workers.alerts.replicas=2"],
        "workers.alerts.replicas is 2, and KEDA scales up to keda.maxWorkers, 1"),
    "a long name of a source": (["--set-json", f"plant.sources.{LONG}={TWIN}"],
                                f"connector {LONG}: on Kubernetes a name has 63 characters at"),
    "a long name of a sink": (["--set-json", f'plant.sinks.{LONG}={{"type":"maintenance"}}'],
                              f"sink {LONG}: on Kubernetes a name has 63 characters at most"),
    "a name that ends with a mark": (["--set-json", f"plant.sources.press_={TWIN}"],
                                     "connector press_: on Kubernetes a name has"),
    "names that fall together": (
        ["--set-json", f"plant.sources.press-plc={TWIN}"],
        "rename one in the plant"),
    "a secret for nobody": (
        ["--set-json", 'secrets=[{"env":"A","existingSecret":"s","key":"k","for":["prss"]}]'],
        'secrets of s: the plant has no source or sink "prss"'),
    "a secret for two": (
        ["--set-json", 'plant.sinks.press_plc={"type":"maintenance"}', "--set-json",
         'secrets=[{"env":"A","existingSecret":"s","key":"k","for":["press_plc"]}]'],
        "secrets of s: press_plc is a source and a sink of the plant, and both would get them"),
    "a user beside nobody": (["--set", "sinks.lake.kafkaSecret=lake"],
                             "sinks.lake names a Kafka user, lake, and the others have none"),
    "a job's user beside nobody": (["--set", "topics.job.existingSecret=admin"],
                                   "topics.job names a Kafka user, admin"),
    "a token for no page": (["--set", "console.token.existingSecret=x"],
                            "console.token: there is no page: set console.enabled"),
    "a conduit to no source": (["--set-json", 'networkPolicy.devices.pres={"ports":[502]}'],
                               "networkPolicy.devices.pres: the plant has no such source"),
    "a folder from the root": (
        ["--set-json", 'secretFiles=[{"existingSecret":"s","folder":"/certs","keys":["k"],'
                       '"for":["press_plc"]}]'],
        "write it without the slash in front, as certs"),
    "a tag in a repository": (["--set", "image.repository=here:5000/penstock:0.1"],
                              "has a tag: write what is behind the colon as image.tag"),
    "a label of the chart's": (
        ["--set-json", 'podLabels={"app.kubernetes.io/component":"x"}'],
        "podLabels: the chart sets app.kubernetes.io/component itself"),
    "a console without TLS": (["--set", "console.enabled=true"],
                              "the page is served over TLS only"),
    "users without topics": (["--set", "topics.strimzi.users=true"],
                             "KafkaUsers come with topics.strimzi.enabled: set it"),
    "users without a name": ([*STRIMZI, "--set", "topics.strimzi.users=true"],
                             "a user is called as its Secret"),
    "KEDA as a user of Strimzi's": (
        [*STRIMZI, *SCRAM, "--set", "keda.enabled=true"],
        "KEDA takes Kafka's user from a Secret, and those of topics.strimzi.users have the pass"),
    "topics of one's own": ([*STRIMZI, "--set-json", f"plant.sinks.flat={FLAT}"],
                            "sinks.flat: the plant has it write to the topic mine.v1"),
    "a digest": (["--set", "image.digest=latest"], "at '/image/digest'"),
    "a file that fits no ConfigMap": (
        [f'--set-json=files.b{n}="{LARGE}"' for n in range(11)],
        "put large tag lists into ConfigMaps of their own"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_it_is_refused_in_words(refusal: Callable[..., str], case: str) -> None:
    words, told = CASES[case]
    assert told in refusal("small", *words)


TAKEN = {
    "an object store, where there are no policies": [
        *STORE, "--set", "networkPolicy.enabled=false"],
    "an object store with its conduit": [*STORE, "--set-json", CONDUIT.format("lake")],
    "nobody who may scrape, where there are no policies": [
        "--set", "monitoring.serviceMonitor.enabled=true", "--set", "networkPolicy.enabled=false"],
    "as many workers as KEDA starts": [
        "--set", "keda.enabled=true", "--set", "keda.maxWorkers=2",
        "--set", "workers.alerts.replicas=2"],
    "users of Strimzi's": [*STRIMZI, *SCRAM],
    "a name as long as may be": ["--set-json", f"plant.sources.{LONG[1:]}={TWIN}"],
    "a volume beside what the pod has": [
        "--set", "sinks.lake.persistence.mountPath=/run/penstock-lake",
        "--set", "plant.sinks.lake.path=/run/penstock-lake"],
}  # fmt: skip


@pytest.mark.parametrize("case", TAKEN)
def test_what_comes_near_to_that_is_taken(render: Callable[..., object], case: str) -> None:
    assert render("small", *TAKEN[case])
