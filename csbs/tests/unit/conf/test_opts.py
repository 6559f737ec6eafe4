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


from csbs import conf
from csbs.conf import opts
from csbs.tests import base


class OptsTest(base.TestCase):
    def test_every_module_is_listed_once(self):
        listed = [str(group) for group, _ in opts.list_opts()]
        self.assertEqual(len(conf.MODULES), len(listed))
        self.assertEqual(sorted(set(listed)), sorted(listed))

    def test_every_option_says_what_it_does(self):
        for group, options in opts.list_opts():
            self.assertTrue(options, group)
            for option in options:
                self.assertTrue(option.help, f'{group}.{option.name}')
                self.assertTrue(
                    option.help.endswith('.'), f'{group}.{option.name}'
                )
