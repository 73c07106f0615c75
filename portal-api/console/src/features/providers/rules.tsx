import { useQuery } from '@tanstack/react-query';
import { Plus, X } from 'lucide-react';
import type { RoleName } from '#/api/types';
import { ROLES, useAccessWords } from '#/features/access/permissions';
import { groupsQuery } from '#/features/groups/queries';
import { useWords } from '#/lib/words';
import { Button, IconButton } from '#/ui/button';
import { Field } from '#/ui/field';
import { Select } from '#/ui/select';
import type { GroupRule, RoleRule } from './draft';

type Rule = { key: number; value: string };

type ListProps<T extends Rule> = {
  title: string;
  help: string;
  add: string;
  name: 'role_rules' | 'group_rules';
  rules: readonly T[];
  fresh: (key: number) => T;
  onChange: (rules: T[]) => void;
  /** What a group of the provider leads to. */
  target: (rule: T, name: string, change: (rule: T) => void) => React.ReactNode;
  isDisabled?: boolean;
};

function RuleList<T extends Rule>(props: ListProps<T>) {
  const { title, help, add, name, rules, fresh, onChange, target, isDisabled } = props;
  const t = useWords();
  const change = (to: T) => onChange(rules.map((rule) => (rule.key === to.key ? to : rule)));
  return (
    <div role="group" aria-label={title} className="flex flex-col gap-2">
      <div>
        <span aria-hidden className="block text-xs font-medium text-ink-2">
          {title}
        </span>
        <span className="block text-xs text-ink-3">{help}</span>
      </div>
      {rules.map((rule, at) => (
        <div
          key={rule.key}
          className="grid grid-cols-[minmax(0,1fr)_minmax(0,1fr)_auto] items-start gap-2 max-sm:grid-cols-[minmax(0,1fr)_auto]"
        >
          <Field
            label={t('providers.their_group')}
            name={`${name}.${at}.value`}
            maxLength={200}
            value={rule.value}
            onChange={(value) => change({ ...rule, value })}
            isRequired
          />
          <div className="min-w-0 max-sm:order-3">{target(rule, `${name}.${at}`, change)}</div>
          <div className="pt-5">
            <IconButton
              label={t('providers.rule_remove', { value: rule.value || String(at + 1) })}
              icon={X}
              onPress={() => onChange(rules.filter((one) => one.key !== rule.key))}
            />
          </div>
        </div>
      ))}
      <div>
        <Button
          size="small"
          icon={Plus}
          isDisabled={isDisabled}
          onPress={() => onChange([...rules, fresh(Math.max(-1, ...rules.map((rule) => rule.key)) + 1)])}
        >
          {add}
        </Button>
      </div>
    </div>
  );
}

type RoleRulesProps = {
  rules: readonly RoleRule[];
  usual: RoleName;
  onChange: (rules: RoleRule[]) => void;
};

/** Groups of the provider that give a role here: the first that fits. */
export function RoleRules({ rules, usual, onChange }: RoleRulesProps) {
  const t = useWords();
  const words = useAccessWords();
  return (
    <RuleList
      title={t('providers.role_rules')}
      help={t('providers.role_rules_help')}
      add={t('providers.role_rule_add')}
      name="role_rules"
      rules={rules}
      fresh={(key) => ({ key, value: '', role: usual })}
      onChange={onChange}
      target={(rule, name, change) => (
        <Select
          label={t('users.role')}
          name={`${name}.role`}
          value={rule.role}
          onChange={(role) => change({ ...rule, role: ROLES.find((one) => one === role) ?? rule.role })}
          choices={ROLES.map((role) => ({ value: role, label: words.role(role) }))}
        />
      )}
    />
  );
}

type GroupRulesProps = { rules: readonly GroupRule[]; onChange: (rules: GroupRule[]) => void };

/** Groups of the provider that put somebody into a group here: all that fit. */
export function GroupRules({ rules, onChange }: GroupRulesProps) {
  const t = useWords();
  const groups = useQuery(groupsQuery).data?.items ?? [];
  const choices = groups.map((group) => ({ value: group.id, label: group.name }));
  const first = choices[0];
  if (!first && rules.length === 0) return null;
  return (
    <RuleList
      title={t('providers.group_rules')}
      help={t('providers.group_rules_help')}
      add={t('providers.group_rule_add')}
      name="group_rules"
      rules={rules}
      fresh={(key) => ({ key, value: '', group: first?.value ?? '' })}
      onChange={onChange}
      isDisabled={!first}
      target={(rule, name, change) => (
        <Select
          label={t('providers.our_group')}
          name={`${name}.group`}
          value={rule.group}
          onChange={(group) => change({ ...rule, group })}
          // One that was removed stays in sight by its id: the server refuses it, and it can be changed.
          choices={
            choices.some((choice) => choice.value === rule.group)
              ? choices
              : [...choices, { value: rule.group, label: rule.group }]
          }
        />
      )}
    />
  );
}
