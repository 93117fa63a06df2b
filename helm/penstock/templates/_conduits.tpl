{{/* What every pod needs: the cluster's names, Kafka and the registry. */}}
{{- define "penstock.kafkaConduit" -}}
{{- $policy := .Values.networkPolicy -}}
policyTypes: [Egress]
egress:
  - to:
      - namespaceSelector:
          matchLabels: {kubernetes.io/metadata.name: {{ $policy.dnsNamespace }}}
    ports:
      - {protocol: UDP, port: 53}
      - {protocol: TCP, port: 53}
  {{- range $to, $address := dict "kafka" .Values.kafka.bootstrap "registry" .Values.registry.url }}
  {{- $to = index $policy $to }}
  - ports:
      {{- range $to.ports | default (fromYamlArray (include "penstock.ports" $address)) }}
      - {protocol: TCP, port: {{ int . }}}
      {{- end }}
    {{- with $to.to }}
    to: {{- toYaml . | nindent 6 }}
    {{- end }}
  {{- end }}
{{- end }}
