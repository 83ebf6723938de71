{{- define "gateway.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "gateway.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "gateway.labels" -}}
{{ include "gateway.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "gateway.serviceAccount" -}}
{{- default (ternary (include "gateway.name" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name -}}
{{- end -}}

{{/* Whether the configuration names the kubernetes resolver. */}}
{{- define "gateway.watchesCluster" -}}
{{- if kindIs "map" .Values.config.resolver -}}
{{- if hasKey .Values.config.resolver "kubernetes" -}}yes{{- end -}}
{{- end -}}
{{- end -}}

{{/* preStop, then the whole of the drain, then time to close. */}}
{{- define "gateway.gracePeriod" -}}
{{- $drain := default dict .Values.config.drain -}}
{{- $delay := int (dig "delayMs" 0 $drain) -}}
{{- $deadline := int (dig "deadlineMs" 30000 $drain) -}}
{{- add (int .Values.preStopSeconds) (div (add $delay $deadline 999) 1000) 10 -}}
{{- end -}}
