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


"""How Sphinx builds the documentation."""

extensions = [
    'cliff.sphinxext',
    'openstackdocstheme',
    'oslo_config.sphinxconfiggen',
    'oslo_config.sphinxext',
    'oslo_policy.sphinxpolicygen',
    'oslo_policy.sphinxext',
]

project = 'csbs'
copyright = 'OpenStack contributors'

html_theme = 'openstackdocs'
html_copy_source = False
pygments_style = 'native'
exclude_patterns = []

openstackdocs_repo_name = 'openstack/csbs'
openstackdocs_auto_name = False
openstackdocs_use_storyboard = False

# The samples are made from the code, into the folder that is published.
config_generator_config_file = [
    ('../../etc/csbs/config-generator.conf', '_static/csbs')
]
sample_policy_basename = '_static/csbs'
policy_generator_config_file = '../../etc/csbs/policy-generator.conf'
