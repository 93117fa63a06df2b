{{- define "penstock.fullname" -}}
{{- if contains "penstock" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-penstock" .Release.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{/* A component's name as part of an object's name: of (dict "root" "role" "name"). */}}
{{- define "penstock.object" -}}
{{- $name := .name | lower | replace "_" "-" | replace "." "-" -}}
{{- printf "%s-%s-%s" (include "penstock.fullname" .root) .role $name | trunc 52 | trimSuffix "-" -}}
{{- end }}

{{- define "penstock.labels" -}}
app.kubernetes.io/name: penstock
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | trunc 63 | trimAll "-_." | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{/* Strimzi before 0.49 has no v1, and from 1.0 on nothing else. */}}
{{- define "penstock.strimzi" -}}
{{- $old := and (.Capabilities.APIVersions.Has "kafka.strimzi.io/v1beta2") (not (.Capabilities.APIVersions.Has "kafka.strimzi.io/v1")) -}}
kafka.strimzi.io/{{ $old | ternary "v1beta2" "v1" }}
{{- end }}

{{- define "penstock.release" -}}
app.kubernetes.io/name: penstock
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* What selects a component's pods: of (dict "root" "role" "name"). */}}
{{- define "penstock.selector" -}}
{{ include "penstock.release" .root }}
app.kubernetes.io/component: {{ .role }}
penstock.io/name: {{ .name | quote }}
{{- end }}

{{- define "penstock.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest }}{{ $image.repository }}@{{ $image.digest }}{{ else }}{{ $image.repository }}:{{ $image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{/*
The plant's configuration without Kafka and the registry, as a dictionary. As in all values, null is
nothing: so a values file takes away what one before it says. In a file of the plant, `validate` judges it.
*/}}
{{- define "penstock.plant" -}}
{{- $plant := .Values.plant -}}
{{- if and (kindIs "string" $plant) (regexMatch "^\\S+\\.ya?ml$" $plant) }}{{ fail (printf "plant: %s is the name of a file: have Helm read it with --set-file plant=%s" $plant $plant) }}{{ end -}}
{{- if kindIs "string" $plant }}{{ $plant = fromYaml $plant }}{{ else }}{{ $plant = deepCopy $plant }}{{ end -}}
{{- if contains "cannot unmarshal" (toString $plant.Error) }}{{ fail (printf "plant: %q is no configuration: write it below 'plant' in your values, or give the file with --set-file plant=plant.yaml" (trunc 40 .Values.plant)) }}{{ end -}}
{{- if hasKey $plant "Error" }}{{ fail (printf "plant: this is no YAML: %s" $plant.Error) }}{{ end -}}
{{- if and (not $plant.site) (or $plant.sources $plant.assets) }}{{ fail "plant.site: has nothing behind it: give the site's path, as site: {path: acme/bremen}" }}{{ end -}}
{{- if not $plant.site }}{{ fail "plant: there is no configuration: write it below 'plant' in your values, or give the file with --set-file plant=plant.yaml" }}{{ end -}}
{{- range $section := list "kafka" "registry" }}
{{- if hasKey $plant $section }}{{ fail (printf "plant.%s: the chart writes this section from the values '%s': move it there" $section $section) }}{{ end -}}
{{- end -}}
{{- if and (kindIs "string" .Values.plant) (hasKey $plant "environment") (not $plant.environment) }}{{ fail "plant.environment: has nothing behind it: name it, or take the line out for the release's name" }}{{ end -}}
{{- range $section := keys $plant }}
{{- if kindIs "invalid" (index $plant $section) }}{{ $_ := unset $plant $section }}{{ end -}}
{{- end -}}
{{- range $section := list "sources" "sinks" "processors" "assets" }}
{{- $all := index $plant $section | default dict -}}
{{- if not (kindIs "map" $all) }}{{ fail (printf "plant.%s: is no section: write a name for each below it, as %s: {NAME: {…}}" $section $section) }}{{ end -}}
{{- range $name := keys $all }}
{{- if kindIs "invalid" (index $all $name) }}{{ $_ := unset $all $name }}
{{- else if not (kindIs "map" (index $all $name)) }}{{ fail (printf "plant.%s.%s: is no section: write its settings below it, as %s: {type: …}" $section $name $name) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- toYaml $plant -}}
{{- end }}

{{/* The ports of Kafka's addresses, or of a URL, as a list. */}}
{{- define "penstock.ports" -}}
{{- $found := list -}}
{{- range $one := splitList "," . -}}
{{- $host := regexReplaceAll "^([a-z]+://)?([^/]*).*$" (trim $one) "${2}" -}}
{{- $port := regexFind "[0-9]+$" (regexFind ":[0-9]+$" $host) -}}
{{- $found = append $found (int ($port | default (hasPrefix "https://" $one | ternary 443 80))) -}}
{{- end -}}
{{- toYaml (uniq $found) -}}
{{- end }}

{{- define "penstock.environment" -}}
{{- $plant := fromYaml (include "penstock.plant" .) -}}
{{- $plant.environment | default .Release.Name -}}
{{- end }}

{{/* The whole plant.yaml. */}}
{{- define "penstock.configuration" -}}
{{- $plant := fromYaml (include "penstock.plant" .) -}}
{{- $kafka := .Values.kafka -}}
{{- $registry := .Values.registry -}}
{{- if not $kafka.bootstrap }}{{ fail "kafka.bootstrap: where is Kafka? Write host:port, several with commas" }}{{ end -}}
{{- range $one := splitList "," $kafka.bootstrap }}
{{- if not (regexMatch "^[^/]+:[0-9]+$" (trim $one)) }}{{ fail (printf "kafka.bootstrap: %q is no address of a broker: write host:port, as kafka:9092, without http://" $one) }}{{ end -}}
{{- end -}}
{{- if not $registry.url }}{{ fail "registry.url: where is the schema registry? Write its address, as http://registry:8081" }}{{ end -}}
{{- if not (regexMatch "^https?://" $registry.url) }}{{ fail (printf "registry.url: %q is no address: it begins with http:// or https://" $registry.url) }}{{ end -}}
{{- $sasl := hasPrefix "SASL" $kafka.security -}}
{{- if and $sasl (not $kafka.existingSecret) }}{{ fail (printf "kafka.security is %s: name the secret with user and password in kafka.existingSecret" $kafka.security) }}{{ end -}}
{{- if and $kafka.existingSecret (not $sasl) }}{{ fail (printf "kafka.existingSecret would not be used with kafka.security %s: set SASL_SSL, or remove it" $kafka.security) }}{{ end -}}
{{- if and $kafka.client.existingSecret (not (hasSuffix "SSL" $kafka.security)) }}{{ fail (printf "kafka.client.existingSecret would not be used with kafka.security %s: set SSL" $kafka.security) }}{{ end -}}
{{- if and $kafka.ca.existingSecret (not (hasSuffix "SSL" $kafka.security)) }}{{ fail (printf "kafka.ca.existingSecret would not be used with kafka.security %s, which is not encrypted: set SSL or SASL_SSL" $kafka.security) }}{{ end -}}
{{- if and $registry.ca.existingSecret (not (hasPrefix "https://" $registry.url)) }}{{ fail (printf "registry.ca.existingSecret would not be used with %s, which is not encrypted: write https://" $registry.url) }}{{ end -}}
{{- if kindIs "string" .Values.plant }}{{ .Values.plant | trimSuffix "\n" }}{{ else }}{{ toYaml $plant }}{{ end }}
{{- if not $plant.environment }}
environment: {{ .Release.Name | quote }}
{{- end }}
kafka:
  bootstrap: {{ $kafka.bootstrap | quote }}
  security: {{ $kafka.security }}
  {{- if $sasl }}
  mechanism: {{ $kafka.mechanism }}
  user: "${env:KAFKA_USER}"
  password: "${env:KAFKA_PASSWORD}"
  {{- end }}
  {{- if $kafka.ca.existingSecret }}
  ca: /etc/penstock-tls/kafka-ca/ca.crt
  {{- end }}
  {{- if $kafka.client.existingSecret }}
  certificate: /etc/penstock-tls/kafka-client/tls.crt
  key: /etc/penstock-tls/kafka-client/tls.key
  {{- end }}
  partitions: {{ int $kafka.partitions }}
  replication: {{ int $kafka.replication }}
  {{- with $kafka.options }}
  options:
    {{- range $name, $value := . }}
    {{ $name }}: {{ and (kindIs "float64" $value) (eq (floor $value) $value) | ternary (int64 $value) $value | toString | quote }}
    {{- end }}
  {{- end }}
registry:
  url: {{ $registry.url | quote }}
  {{- if $registry.existingSecret }}
  user: "${env:REGISTRY_USER}"
  password: "${env:REGISTRY_PASSWORD}"
  {{- end }}
  {{- if $registry.ca.existingSecret }}
  ca: /etc/penstock-tls/registry-ca/ca.crt
  {{- end }}
{{- end }}

{{/* The components that run, as {role: {name: settings}}, defaults merged in. */}}
{{- define "penstock.components" -}}
{{- $plant := fromYaml (include "penstock.plant" .) -}}
{{- $defaults := .Values.defaults -}}
{{- $found := dict "connector" dict "processor" dict "sink" dict -}}
{{- range $name, $own := .Values.connectors }}
{{- if and (not (kindIs "invalid" $own)) (not (hasKey ($plant.sources | default dict) $name)) }}{{ fail (printf "connectors.%s: the plant has no such source; it has: %s" $name (keys ($plant.sources | default dict) | sortAlpha | join ", ")) }}{{ end -}}
{{- end -}}
{{- range $name, $own := .Values.sinks }}
{{- if and (not (kindIs "invalid" $own)) (not (hasKey ($plant.sinks | default dict) $name)) }}{{ fail (printf "sinks.%s: the plant has no such sink; it has: %s" $name (keys ($plant.sinks | default dict) | sortAlpha | join ", ")) }}{{ end -}}
{{- end -}}
{{- range $name, $source := $plant.sources }}
{{- $own := mergeOverwrite (deepCopy $defaults.connectors) (index ($.Values.connectors | default dict) $name | default dict) (dict "type" ($source | default dict).type) -}}
{{- if ne (toString $own.enabled) "false" }}{{ $_ := set $found.connector $name $own }}{{ end -}}
{{- end -}}
{{- range $name, $sink := $plant.sinks }}
{{- $own := mergeOverwrite (deepCopy $defaults.sinks) (index ($.Values.sinks | default dict) $name | default dict) (dict "type" $sink.type "path" ($sink.path | default "")) -}}
{{- if ne (toString $own.enabled) "false" }}{{ $_ := set $found.sink $name $own }}{{ end -}}
{{- end -}}
{{- $known := keys (fromYaml (.Files.Get "files/rights.yaml")).processors -}}
{{- range $name, $own := .Values.workers }}
{{- if not (or (kindIs "invalid" $own) (has $name $known) ($own | default dict).topic) }}{{ fail (printf "workers.%s: there is no such processor; there are: %s; of one of your own say the topic that it reads, workers.%s.topic" $name ($known | sortAlpha | join ", ") $name) }}{{ end -}}
{{- end -}}
{{- range $name := concat $known (keys (.Values.workers | default dict)) | uniq }}
{{- if or (has $name $known) (index $.Values.workers $name) }}
{{- $own := mergeOverwrite (deepCopy $defaults.workers) (index ($.Values.workers | default dict) $name | default dict) -}}
{{- $wanted := include "penstock.wanted" (dict "plant" $plant "name" $name) -}}
{{- $enabled := hasKey $own "enabled" | ternary (toString $own.enabled) $wanted -}}
{{- if eq $enabled "true" }}{{ $_ := set $found.processor $name $own }}{{ end -}}
{{- end -}}
{{- end -}}
{{- toYaml $found -}}
{{- end }}

{{/* Whether a plant gives a processor reason to run, as `penstock run` decides it. */}}
{{- define "penstock.wanted" -}}
{{- $settings := index (.plant.processors | default dict) .name | default dict -}}
{{- $states := false -}}
{{- range $asset := .plant.assets }}{{ if ($asset | default dict).states }}{{ $states = true }}{{ end }}{{ end -}}
{{- if not (kindIs "invalid" (index $settings "enabled")) }}{{ toString $settings.enabled }}
{{- else if hasPrefix "line-kpis" .name }}{{ $states }}
{{- else if hasPrefix "production-" .name }}{{ $states }}
{{- else if hasPrefix "order-" .name }}{{ $states }}
{{- else if hasPrefix "line-" .name }}{{ not (empty .plant.lines) }}
{{- else }}true{{ end -}}
{{- end }}

{{- define "penstock.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
capabilities: {drop: [ALL]}
{{- end }}

{{- define "penstock.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}
