package api

import (
	"maps"
	"net/http"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// OpenAPI is the description as it is served.
var OpenAPI = openAPI

// Routes are the patterns of all routes, sorted.
func Routes() []string {
	a := &API{Rooms: Rooms{Documents: http.NotFoundHandler(), Metrics: prometheus.NewRegistry()}}
	return slices.Sorted(maps.Keys(a.routes()))
}
