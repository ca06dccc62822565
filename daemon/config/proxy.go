package config

import (
	"net/http"
	"net/url"
)

// Proxy is the HTTP proxy that the environment names for req (HTTPS_PROXY, NO_PROXY and so on); nil: none. It never
// applies to this machine itself.
func Proxy(req *http.Request) (*url.URL, error) { return http.ProxyFromEnvironment(req) }
