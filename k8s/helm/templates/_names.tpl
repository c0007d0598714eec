{{/* What every name begins with: nothing for a release of the program's own name, else the release's. */}}
{{- define "prefix" -}}
{{- if ne .Release.Name "error-budget-monitor" }}{{ .Release.Name }}-{{ end -}}
{{- end -}}

{{- define "name" -}}
{{ include "prefix" . }}error-budget-monitor
{{- end -}}

{{/* Kubernetes allows 52 characters. The alert rules know the CronJob by the end of this name. */}}
{{- define "cronjob" -}}
{{- $name := printf "%serror-budget-rollback-monitor" (include "prefix" .) -}}
{{- if gt (len $name) 52 }}{{ fail (printf "the name of the release is too long: the CronJob would be called %s, of more than 52 characters" $name) }}{{ end -}}
{{ $name }}
{{- end -}}

{{/* Namespace and label of every object. */}}
{{- define "metadata" -}}
namespace: {{ .Release.Namespace }}
labels:
  app: error-budget-monitor
{{- end -}}
