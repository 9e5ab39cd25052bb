package problem_test

import (
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"tongqu/internal/fault"
	"tongqu/internal/problem"
)

func TestWrite(t *testing.T) {
	w := httptest.NewRecorder()
	at := fault.Place{Path: "/A/B[2]", Line: 3, Column: 4}
	problem.Write(w, http.StatusUnprocessableEntity, fault.New(fault.SchemaTooLong, at, "<值>", 60, 61).WithRule("maxLength 60"), fault.New(fault.NotFound, fault.Place{}, "", "x"))
	require.Equal(t, http.StatusUnprocessableEntity, w.Code)
	require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
	require.JSONEq(t, `{
		"type": "/problems/SCHEMA_TOO_LONG", "title": "Unprocessable Entity", "status": 422,
		"detail": "长度 61 超过上限 60 / length 61 is above the maximum of 60",
		"errors": [
			{"code": "SCHEMA_TOO_LONG", "severity": "error", "path": "/A/B[2]", "line": 3, "column": 4, "value": "<值>", "rule": "maxLength 60",
			 "zh": "长度 61 超过上限 60", "en": "length 61 is above the maximum of 60"},
			{"code": "NOT_FOUND", "severity": "error", "zh": "未找到 x", "en": "x is not found"}
		]}`, w.Body.String())
	require.Contains(t, w.Body.String(), `"<值>"`, "written as people read it")
}

// TestEveryCode is a problem in both languages, for every code that there is.
func TestEveryCode(t *testing.T) {
	for _, code := range fault.Codes() {
		args := []any{1, 2, 3, 4}
		if code == fault.RuleCondition { // the rule brings its own words
			args = []any{"金额不符", "the amounts differ"}
		}
		p := problem.Of(http.StatusBadRequest, fault.New(code, fault.Place{}, "", args...))
		require.Equal(t, "/problems/"+string(code), p.Type)
		require.Regexp(t, `\p{Han}.* / .*[a-z]`, p.Detail, code)
		require.NotContains(t, p.Detail, "{", "%s needs an argument that the test does not give", code)
	}
}

func TestWithoutFault(t *testing.T) {
	w := httptest.NewRecorder()
	problem.Write(w, http.StatusNotFound)
	require.JSONEq(t, `{"type": "about:blank", "title": "Not Found", "status": 404}`, w.Body.String())
	var p problem.Problem
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &p))
	require.Equal(t, problem.Of(http.StatusNotFound).Title, p.Title)
}

// TestNotJSON answers what is no JSON value as the hub's own trouble.
func TestNotJSON(t *testing.T) {
	w := httptest.NewRecorder()
	problem.WriteJSON(w, http.StatusOK, "application/json", math.NaN())
	require.Equal(t, http.StatusInternalServerError, w.Code)
}
