{{/* What a ConfigMap holds. A tag list may be in another code than UTF-8: then it is binary. */}}
{{- define "penstock.configurationData" -}}
{{- $texts := dict -}}
{{- $bytes := dict -}}
{{- range $path, $text := .Values.files }}
{{- $same := eq $text (fromJson (toJson (dict "text" $text))).text -}}
{{- if $same }}{{ $_ := set $texts ($path | replace "/" "--") $text }}{{ else }}{{ $_ := set $bytes ($path | replace "/" "--") (b64enc $text) }}{{ end -}}
{{- end -}}
data:
  plant.yaml: |
    {{- include "penstock.configuration" . | nindent 4 }}
  {{- range $name, $text := $texts }}
  {{ $name }}: {{ toJson $text }}
  {{- end }}
{{- with $bytes }}
binaryData: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* What the schema of the values cannot say: values that do not go together. */}}
{{- define "penstock.checks" -}}
{{- $keys := dict -}}
{{- $paths := list -}}
{{- range $path, $_ := .Values.files }}
{{- $key := $path | replace "/" "--" -}}
{{- if or (hasPrefix "/" $path) (hasPrefix "../" (clean $path)) }}{{ fail (printf "files.%s: the files are below the folder of plant.yaml: name it from there, as files.tags/press.csv" $path) }}{{ end -}}
{{- if not (regexMatch "^[-._a-zA-Z0-9]+$" $key) }}{{ fail (printf "files.%s: a ConfigMap takes names of letters, digits, '-', '_' and '.' only: rename the file, and in the plant" $path) }}{{ end -}}
{{- if hasKey $keys $key }}{{ fail (printf "files: %s and %s would be one in the ConfigMap: rename one" (index $keys $key) $path) }}{{ end -}}
{{- $_ := set $keys $key $path -}}
{{- $paths = append $paths (clean $path) -}}
{{- end -}}
{{- range $more := .Values.filesFrom }}{{ range $key := $more.keys }}{{ $paths = append $paths (clean (printf "%s/%s" $more.folder $key)) }}{{ end }}{{ end -}}
{{- $plant := fromYaml (include "penstock.plant" .) -}}
{{- $components := fromYaml (include "penstock.components" .) -}}
{{- $size := len (include "penstock.configurationData" .) -}}
{{- if gt $size 1000000 }}{{ fail (printf "files: the configuration has %d bytes, and a ConfigMap takes 1 MiB: put large tag lists into ConfigMaps of their own and name them in filesFrom" $size) }}{{ end -}}
{{- $names := dict -}}
{{- range $role, $all := $components }}
{{- range $name, $own := $all }}
{{- if not (regexMatch "^.{0,62}[A-Za-z0-9]$" $name) }}{{ fail (printf "%s %s: on Kubernetes a name has 63 characters at most and ends with a letter or digit, since it becomes a label: rename it" $role $name) }}{{ end -}}
{{- $object := include "penstock.object" (dict "root" $ "role" $role "name" $name) -}}
{{- if hasKey $names $object }}{{ fail (printf "%s %s and %s would both be called %s: rename one in the plant, or shorten the release's name" $role $name (index $names $object) $object) }}{{ end -}}
{{- $_ := set $names $object $name -}}
{{- if and (eq $role "processor") $.Values.keda.enabled (gt (int $own.replicas) (int $.Values.keda.maxWorkers)) }}{{ fail (printf "workers.%s.replicas is %d, and KEDA scales up to keda.maxWorkers, %d: lower the one or raise the other" $name (int $own.replicas) (int $.Values.keda.maxWorkers)) }}{{ end -}}
{{- if and (eq $role "processor") (gt (int $own.replicas) (int $.Values.kafka.partitions)) }}{{ fail (printf "workers.%s.replicas is %d, and Kafka's topics have %d partitions: more workers than partitions get nothing to do" $name (int $own.replicas) (int $.Values.kafka.partitions)) }}{{ end -}}
{{- if eq $role "sink" }}{{ include "penstock.checkSink" (dict "root" $ "name" $name "own" $own) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- range $source := $plant.sources }}
{{- $tags := $source.tags | default "" -}}
{{- if not (kindIs "string" $tags) }}{{ fail (printf "plant.sources: tags is the path of a file, not %s" (toJson $tags)) }}{{ end -}}
{{- if and $tags (not (has (clean $tags) $paths)) }}{{ fail (printf "files: the plant names the tag list %s, which is not there: add it with --set-file 'files.%s=%s', or name its ConfigMap in filesFrom" $tags ($tags | replace "." "\\.") $tags) }}{{ end -}}
{{- end -}}
{{- range $each := concat (.Values.secrets | default list) (.Values.secretFiles | default list) }}
{{- range $name := $each.for }}
{{- if and (hasKey ($plant.sources | default dict) $name) (hasKey ($plant.sinks | default dict) $name) }}{{ fail (printf "secrets of %s: %s is a source and a sink of the plant, and both would get them: rename one" $each.existingSecret $name) }}{{ end -}}
{{- if not (or (hasKey ($plant.sources | default dict) $name) (hasKey ($plant.sinks | default dict) $name)) }}{{ fail (printf "secrets of %s: the plant has no source or sink %q" $each.existingSecret $name) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- include "penstock.checkVariables" . -}}
{{- include "penstock.checkUnused" . -}}
{{- include "penstock.checkOthers" . -}}
{{- if .Values.console.enabled }}
{{- if not .Values.console.tls.existingSecret }}{{ fail "console.enabled: the page is served over TLS only: name a TLS secret in console.tls.existingSecret" }}{{ end -}}
{{- if not .Values.console.token.existingSecret }}{{ fail "console.enabled: name a secret with a token of at least 16 characters in console.token.existingSecret" }}{{ end -}}
{{- end -}}
{{- if .Values.topics.strimzi.enabled }}
{{- range $name, $sink := $plant.sinks }}
{{- if $sink.topic }}{{ fail (printf "sinks.%s: the plant has it write to the topic %s, and topics.strimzi makes topics and users for the usual ones only: leave it out, or make yours with 'penstock topics acls'" $name $sink.topic) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- if .Values.topics.strimzi.users }}
{{- if and .Values.keda.enabled .Values.kafka.existingSecret }}{{ fail "keda.enabled: KEDA takes Kafka's user from a Secret, and those of topics.strimzi.users have the password alone: leave one of the two out" }}{{ end -}}
{{- if not .Values.topics.strimzi.enabled }}{{ fail "topics.strimzi.users: KafkaUsers come with topics.strimzi.enabled: set it" }}{{ end -}}
{{- if and .Values.kafka.existingSecret (ne .Values.kafka.mechanism "SCRAM-SHA-512") }}{{ fail (printf "topics.strimzi.users: Strimzi's users have SCRAM-SHA-512, and kafka.mechanism is %s" .Values.kafka.mechanism) }}{{ end -}}
{{- if not (or .Values.kafka.existingSecret .Values.kafka.client.existingSecret) }}{{ fail "topics.strimzi.users: a user is called as its Secret: name that of the tools in kafka.existingSecret (SCRAM) or kafka.client.existingSecret (TLS)" }}{{ end -}}
{{- end -}}
{{- if and .Values.topics.strimzi.enabled (not .Values.topics.strimzi.cluster) }}{{ fail "topics.strimzi.cluster: name the Strimzi Kafka that the topics are of" }}{{ end -}}
{{- end }}

{{/* Each variable that a source or sink takes must be in its pod. */}}
{{- define "penstock.checkVariables" -}}
{{- $plant := fromYaml (include "penstock.plant" .) -}}
{{- $components := fromYaml (include "penstock.components" .) -}}
{{- range $section, $role := dict "sources" "connector" "sinks" "sink" }}
{{- range $name, $_ := index $components $role }}
{{- $text := toJson (index (index $plant $section) $name) | replace "$${" " " -}}
{{- range $found := regexFindAll "\\$\\{env:[A-Za-z0-9_]+" $text -1 }}
{{- $variable := trimPrefix "${env:" $found -}}
{{- $there := false -}}
{{- range $each := $.Values.extraEnv }}{{ if eq $each.name $variable }}{{ $there = true }}{{ end }}{{ end -}}
{{- range $each := $.Values.secrets }}{{ if and (eq $each.env $variable) (has $name $each.for) }}{{ $there = true }}{{ end }}{{ end -}}
{{- if not $there }}{{ fail (printf "%s.%s takes ${env:%s}, which its pod does not have: name the Secret in 'secrets', as {env: %s, existingSecret: …, key: …, for: [%s]}" $section $name $variable $variable $name) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Asks the cluster, so `helm template` says nothing; other namespaces may not be readable. */}}
{{- define "penstock.checkOthers" -}}
{{- range (lookup "v1" "ConfigMap" .Release.Namespace "").items }}
{{- $noted := .metadata.annotations | default dict -}}
{{- $release := index $noted "meta.helm.sh/release-name" | default $.Release.Name -}}
{{- if and (ne $release $.Release.Name) (eq (index $noted "penstock.io/kafka" | default "") $.Values.kafka.bootstrap) }}{{ fail (printf "kafka.bootstrap: the release %s in this namespace is on the same Kafka: the two would share topics, and read what the other publishes; give each a Kafka of its own, or uninstall one" $release) }}{{ end -}}
{{- end -}}
{{- end }}

{{- define "penstock.checkSink" -}}
{{- $claim := .own.persistence | default dict -}}
{{- range $taken := list "/tmp" "/etc/penstock" "/etc/penstock-tls" "/run/penstock" }}
{{- $mount := printf "%s/" (trimSuffix "/" ($claim.mountPath | default "none")) -}}
{{- if or (hasPrefix $mount (printf "%s/" $taken)) (hasPrefix (printf "%s/" $taken) $mount) }}{{ fail (printf "sinks.%s.persistence.mountPath: the pod has something else at %s: take another folder, as /data" $.name $taken) }}{{ end -}}
{{- end -}}
{{- $policy := .root.Values.networkPolicy -}}
{{- if and $policy.enabled .own.path (contains "://" .own.path) (not (index ($policy.sinks | default dict) .name)) }}{{ fail (printf "sinks.%s: the plant has it write to %s, and the network policies let it reach Kafka only: say where that store is, as networkPolicy.sinks.%s: {ports: [443]}" .name .own.path .name) }}{{ end -}}
{{- if and .own.path (not (contains "://" .own.path)) -}}
{{- if not $claim }}{{ fail (printf "sinks.%s: the plant has it write to the folder %s, and no volume is there: set sinks.%s.persistence with mountPath and size, or have it write to s3://…" .name .own.path .name) }}{{ end -}}
{{- if not (hasPrefix (printf "%s/" (trimSuffix "/" $claim.mountPath)) (printf "%s/" (trimSuffix "/" .own.path))) }}{{ fail (printf "sinks.%s: the plant has it write to %s, which is not on its volume at %s: make the two agree" .name .own.path $claim.mountPath) }}{{ end -}}
{{- if and (gt (int .own.replicas) 1) (ne ($claim.accessMode | default "ReadWriteOnce") "ReadWriteMany") }}{{ fail (printf "sinks.%s.replicas: %d pods cannot share a volume that is %s: use ReadWriteMany, an object store, or one pod" .name (int .own.replicas) ($claim.accessMode | default "ReadWriteOnce")) }}{{ end -}}
{{- end -}}
{{- end }}
