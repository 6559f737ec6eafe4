# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.


"""The WSGI application: middleware in its order, and the way to a handler.

The only module that knows the web framework. A request goes through the
middleware of :func:`create_app` from the top down, then: the version, who
asks, the route's rule, the query and the body against their schemas, the
handler, the answer against its schema.
"""

from collections.abc import Callable
from collections.abc import Mapping
import json
import logging
import time
from typing import Any
from typing import TYPE_CHECKING

import flask
from keystoneauth1 import exceptions as keystone_exceptions
from keystonemiddleware import auth_token
from oslo_middleware import cors
from oslo_middleware import http_proxy_to_wsgi
from oslo_middleware import request_id
import webob
from werkzeug import exceptions as werkzeug_exceptions

from csbs import context as csbs_context
from csbs.actions import runtime
from csbs.api import auth
from csbs.api import errors
from csbs.api import rbac
from csbs.api import request
from csbs.api import routes
from csbs.api import validation
from csbs.api import versions

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

LOG = logging.getLogger(__name__)

_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']


def create_app(rt: runtime.Runtime) -> 'WSGIApplication':
    """Return the whole API as a WSGI application.

    :param rt: the process' connections
    """
    application: Any = _Api(rt).flask_app.wsgi_app
    # From the inside out; a request meets the last one first.
    if rt.conf.api.auth_strategy == 'keystone':
        # Only checks tokens and says so in headers: whether a token is
        # needed depends on the route, and the refusal is to be JSON.
        application = _TokenCheck(
            application,
            {'oslo_config_config': rt.conf, 'delay_auth_decision': True},
        )
    # Before the token: a browser's preflight request has none.
    cors.set_defaults(
        allow_headers=['X-Auth-Token', versions.HEADER],
        expose_headers=['X-Openstack-Request-Id', versions.HEADER],
        allow_methods=_METHODS,
    )
    application = cors.CORS(application, rt.conf)
    # Before everything that looks at the caller's address or builds links.
    application = http_proxy_to_wsgi.HTTPProxyToWSGI(application, rt.conf)
    # First of all: every line in the log and every error carries the id.
    return request_id.RequestId(application, rt.conf)


class _TokenCheck(auth_token.AuthProtocol):
    """auth_token, with an error of ours when Keystone can't be asked."""

    def process_request(self, req: webob.Request) -> webob.Response | None:
        """Check the token, or answer that it can't be checked."""
        try:
            answer: webob.Response | None = super().process_request(req)
        except keystone_exceptions.ClientException as error:
            LOG.error('Keystone cannot check tokens: %s', error)
            status, body = errors.describe(
                auth.IdentityUnavailable(),
                req.environ.get('openstack.request_id'),
            )
            return webob.Response(status=status, json_body=body)
        return answer


class _Api:
    """The routes, as an application of the web framework."""

    def __init__(self, rt: runtime.Runtime) -> None:
        self._rt = rt
        self._authenticate = auth.STRATEGIES[rt.conf.api.auth_strategy]
        self._enforcer = rbac.make_enforcer(rt.conf)
        self.flask_app = app = flask.Flask('csbs', static_folder=None)
        # Checked while reading, so it holds without a Content-Length too.
        app.config['MAX_CONTENT_LENGTH'] = rt.conf.api.max_body_bytes
        app.url_map.strict_slashes = False
        app.url_map.merge_slashes = False
        for route in routes.ROUTES:
            app.add_url_rule(
                route.path.replace('{', '<').replace('}', '>'),
                endpoint=f'{route.method} {route.path}',
                view_func=self._view(route),
                methods=[route.method],
                provide_automatic_options=False,
            )
        app.register_error_handler(Exception, self._failed)
        app.before_request(self._started)
        app.after_request(self._finished)

    def _view(self, route: routes.Route) -> Callable[..., flask.Response]:
        schemas = validation.schemas_of(route.handler)

        def view(**args: str) -> flask.Response:
            if not validation.storable(args):
                raise werkzeug_exceptions.NotFound()
            version = versions.negotiate(dict(flask.request.headers))
            flask.g.version = version
            context = self._context(route)
            raw = flask.request
            asked = request.Request(
                rt=self._rt,
                enforcer=self._enforcer,
                context=context,
                version=version,
                args=args,
                query=validation.check_query(
                    schemas.query, raw.args.items(multi=True)
                ),
                body=_body(schemas),
                url=raw.base_url,
                root_url=raw.url_root,
            )
            with csbs_context.acting(context.user_id, context.request_id):
                answer = route.handler(asked)
            self._check_answer(route, schemas, answer)
            return _json(schemas.status, answer)

        return view

    def _context(self, route: routes.Route) -> csbs_context.RequestContext:
        environ = flask.request.environ
        if route.rule is None:
            # Nobody in particular, and so with no roles at all.
            return csbs_context.RequestContext(
                request_id=environ.get(request_id.ENV_REQUEST_ID)
            )
        context = self._authenticate(environ)
        request.authorize(self._enforcer, context, route.rule)
        return context

    def _check_answer(
        self,
        route: routes.Route,
        schemas: validation.Schemas,
        answer: Mapping[str, Any],
    ) -> None:
        how = self._rt.conf.api.response_validation
        if how == 'ignore' or schemas.response is None:
            return
        try:
            validation.check_response(schemas.response, answer)
        except validation.InvalidResponse as error:
            if how == 'error':
                raise
            LOG.warning(
                'The answer to %s %s does not fit its schema: %s',
                route.method,
                route.path,
                error,
            )

    def _failed(self, error: Exception) -> flask.Response:
        status, body = errors.describe(
            error, flask.request.environ.get(request_id.ENV_REQUEST_ID)
        )
        response = _json(status, body)
        if isinstance(error, werkzeug_exceptions.MethodNotAllowed):
            response.headers['Allow'] = ', '.join(error.valid_methods or ())
        return response

    def _started(self) -> None:
        flask.g.started = time.monotonic()

    def _finished(self, response: flask.Response) -> flask.Response:
        version = flask.g.get('version')
        if version is not None:
            response.headers[versions.HEADER] = (
                f'{versions.SERVICE_TYPE} {version}'
            )
        # An answer is only as good as the version it was asked in.
        response.headers.add('Vary', versions.HEADER)
        LOG.info(
            '%s %s %s in %.3f s',
            flask.request.method,
            flask.request.path,
            response.status_code,
            time.monotonic() - flask.g.started,
        )
        return response


def _body(schemas: validation.Schemas) -> dict[str, Any]:
    """Return the checked body of the request; {} where none is taken.

    :raises Invalid: when it is not JSON or does not fit
    """
    if schemas.body is None:
        return {}
    raw = flask.request.get_data(cache=False)
    if not raw.strip():
        value: Any = {}
    else:
        if not flask.request.is_json:
            raise werkzeug_exceptions.UnsupportedMediaType()
        try:
            value = json.loads(raw, parse_constant=_refuse)
        except (ValueError, RecursionError):
            raise errors.NotJson() from None
        if not validation.storable(value):
            raise errors.NotJson(
                'The body of the request holds characters that are no text.'
            )
    validation.check(schemas.body, value)
    body: dict[str, Any] = value
    return body


def _refuse(word: str) -> None:
    # NaN and Infinity are Python's, not JSON's.
    raise ValueError(word)


def _json(status: int, body: Mapping[str, Any]) -> flask.Response:
    return flask.Response(
        json.dumps(body, ensure_ascii=False),
        status=status,
        content_type='application/json',
    )
