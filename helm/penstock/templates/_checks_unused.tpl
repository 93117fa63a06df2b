{{/* Values that nothing would come of: most often a name is wrong, or what they belong to is missing. */}}
{{- define "penstock.checkUnused" -}}
{{- $plant := fromYaml (include "penstock.plant" .) -}}
{{- $kafka := .Values.kafka -}}
{{- $own := dict "console" .Values.console "topics.job" (dict "kafkaSecret" .Values.topics.job.existingSecret) -}}
{{- range $role := list "connectors" "workers" "sinks" }}
{{- range $name, $settings := index $.Values $role }}{{ $_ := set $own (printf "%s.%s" $role $name) ($settings | default dict) }}{{ end -}}
{{- end -}}
{{- range $where, $settings := $own }}
{{- if and $settings.kafkaSecret (not (or $kafka.existingSecret $kafka.client.existingSecret)) }}{{ fail (printf "%s names a Kafka user, %s, and the others have none: name theirs in kafka.existingSecret (SASL) or kafka.client.existingSecret (SSL)" $where $settings.kafkaSecret) }}{{ end -}}
{{- end -}}
{{- if not .Values.console.enabled }}
{{- range $part := list "tls" "token" }}
{{- if (index $.Values.console $part).existingSecret }}{{ fail (printf "console.%s: there is no page: set console.enabled, or remove it" $part) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- range $name, $_ := .Values.networkPolicy.devices }}
{{- if not (hasKey ($plant.sources | default dict) $name) }}{{ fail (printf "networkPolicy.devices.%s: the plant has no such source; it has: %s" $name (keys ($plant.sources | default dict) | sortAlpha | join ", ")) }}{{ end -}}
{{- end -}}
{{- range $name, $_ := .Values.networkPolicy.sinks }}
{{- if not (hasKey ($plant.sinks | default dict) $name) }}{{ fail (printf "networkPolicy.sinks.%s: the plant has no such sink; it has: %s" $name (keys ($plant.sinks | default dict) | sortAlpha | join ", ")) }}{{ end -}}
{{- end -}}
{{- if and .Values.networkPolicy.enabled .Values.monitoring.serviceMonitor.enabled (not .Values.networkPolicy.metricsFrom) }}{{ fail "monitoring.serviceMonitor: the network policies let nobody scrape: name Prometheus in networkPolicy.metricsFrom, as [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]" }}{{ end -}}
{{- range $files := .Values.secretFiles }}
{{- if hasPrefix "/" $files.folder }}{{ fail (printf "secretFiles of %s: the folder %s is below that of plant.yaml: write it without the slash in front, as %s" $files.existingSecret $files.folder (trimPrefix "/" $files.folder)) }}{{ end -}}
{{- end -}}
{{- if regexMatch ":[^/]*$" (regexReplaceAll "^[^/]*/" .Values.image.repository "/") }}{{ fail (printf "image.repository: %s has a tag: write what is behind the colon as image.tag" .Values.image.repository) }}{{ end -}}
{{- range $name, $_ := .Values.podLabels }}
{{- if or (hasPrefix "app.kubernetes.io/" $name) (hasPrefix "penstock.io/" $name) (eq $name "helm.sh/chart") }}{{ fail (printf "podLabels: the chart sets %s itself, and selects pods by such labels: take another name" $name) }}{{ end -}}
{{- end -}}
{{- end }}
