import { useMutation } from '@tanstack/react-query';
import { useEffect, useMemo, useState } from 'react';
import { Form } from 'react-aria-components/Form';
import { toProblem } from '#/api/problem';
import type { IdentityProvider, IdentityProviderBody } from '#/api/types';
import { ROLES, useAccessWords } from '#/features/access/permissions';
import { useStepUp } from '#/features/factors/step-up';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { CheckBox } from '#/ui/check-box';
import { Field } from '#/ui/field';
import { Panel } from '#/ui/panel';
import { Select } from '#/ui/select';
import { ErrorState, StaleBanner } from '#/ui/states';
import { bodyOf, byFormField, type Draft, mustBeTriedAgain, VOUCHED } from './draft';
import { EndpointFields } from './endpoint-fields';
import type { Kind } from './kinds';
import { GroupRules, RoleRules } from './rules';

type FormProps = {
  kind: Kind;
  draft: Draft;
  save: (body: IdentityProviderBody) => Promise<IdentityProvider>;
  onSaved: (provider: IdentityProvider) => void;
  onChanged?: (isChanged: boolean) => void;
  onReload?: () => void;
  submit: string;
  hasSecret?: boolean;
  isNew?: boolean;
  /** It lets people in as it is. */
  isOn?: boolean;
  /** What stands above the endpoint's fields. */
  lead?: React.ReactNode;
  /** Beside the button. */
  children?: React.ReactNode;
};

/** All of a provider: how it is reached, who comes in as whom, what is taken by its word. */
export function ProviderForm(props: FormProps) {
  const { kind, draft: before, save, onSaved, onChanged, onReload, submit, hasSecret = false } = props;
  const { isNew = false, isOn = false, lead, children } = props;
  const t = useWords();
  const { guard, dialog } = useStepUp();
  // Only what is edited: what comes anew from the server shows through everywhere else.
  const [edits, setEdits] = useState<Partial<Draft>>({});
  const draft: Draft = { ...before, ...edits };
  const isChanged = Object.keys(edits).length > 0;
  useEffect(() => onChanged?.(isChanged), [isChanged, onChanged]);
  const entry = useMutation({
    mutationFn: guard<IdentityProviderBody, IdentityProvider>(save),
    onSuccess: (saved) => {
      setEdits({});
      onSaved(saved);
    },
  });
  // What was refused may be mended elsewhere than where it is said: a role by its ceiling, metadata by a file. A
  // message that stayed would keep the form from being sent.
  function edit(change: Partial<Draft>) {
    setEdits((old) => ({ ...old, ...change }));
    if (entry.error) entry.reset();
  }
  const problem = entry.error ? toProblem(entry.error) : null;
  // The same object for the same answer: React Aria takes another one for another answer.
  const errors = useMemo(
    () => (entry.error ? byFormField(toProblem(entry.error).byField()) : undefined),
    [entry.error],
  );
  const given = { draft, edit };
  return (
    <>
      <Form
        className="flex flex-col gap-4"
        validationErrors={errors}
        onSubmit={(event) => {
          event.preventDefault();
          entry.mutate(bodyOf(kind, draft));
        }}
      >
        <Panel title={t('providers.endpoint')}>
          <div className="flex flex-col gap-4">
            {lead}
            <Field
              label={t('providers.name')}
              help={t('providers.name_help')}
              name="name"
              maxLength={80}
              value={draft.name}
              onChange={(name) => edit({ name })}
              isRequired
            />
            <EndpointFields kind={kind} hasSecret={hasSecret} {...given} />
          </div>
        </Panel>
        <Panel title={t('providers.who')}>
          <WhoFields {...given} />
        </Panel>
        <Panel title={t('providers.mapping')}>
          <MappingFields kind={kind} {...given} />
        </Panel>
        <Panel title={t('providers.session')}>
          <SessionFields {...given} />
        </Panel>
        {isOn && mustBeTriedAgain(edits) && <StaleBanner loose>{t('providers.turns_off')}</StaleBanner>}
        {problem && (
          <div className="flex flex-col items-start gap-2">
            <ErrorState compact error={problem} />
            {problem.slug === 'stale' && onReload && (
              <Button
                onPress={() => {
                  entry.reset();
                  onReload();
                }}
              >
                {t('organisation.load_again')}
              </Button>
            )}
          </div>
        )}
        <div className="flex flex-wrap gap-2">
          <Button type="submit" look="primary" isPending={entry.isPending} isDisabled={!isNew && !isChanged}>
            {submit}
          </Button>
          {children}
        </div>
      </Form>
      {dialog}
    </>
  );
}

type PartProps = { draft: Draft; edit: (change: Partial<Draft>) => void };

function WhoFields({ draft, edit }: PartProps) {
  const t = useWords();
  const words = useAccessWords();
  const roles = ROLES.map((role) => ({ value: role as string, label: words.role(role) }));
  return (
    <div className="flex flex-col gap-4">
      <Field
        label={t('providers.email_domains')}
        help={t('providers.email_domains_help')}
        name="email_domains"
        spellCheck="false"
        lines={2}
        value={draft.email_domains}
        onChange={(email_domains) => edit({ email_domains })}
      />
      <div className="flex flex-col gap-1">
        <CheckBox
          label={t('providers.trust_email')}
          value={draft.trust_email}
          onChange={(trust_email) => edit({ trust_email })}
        />
        <p className="text-xs text-ink-3">{t('providers.trust_email_help')}</p>
      </div>
      <div className="flex flex-col gap-1">
        <CheckBox
          label={t('providers.provision')}
          value={draft.provision}
          onChange={(provision) => edit({ provision })}
        />
        <p className="text-xs text-ink-3">{t('providers.provision_help')}</p>
      </div>
      <div className="grid grid-cols-2 gap-4 max-sm:grid-cols-1">
        <Select
          label={t('providers.default_role')}
          help={t('providers.default_role_help')}
          name="default_role"
          value={draft.default_role}
          onChange={(role) => edit({ default_role: ROLES.find((one) => one === role) ?? '' })}
          choices={[{ value: '', label: t('providers.no_role') }, ...roles]}
        />
        <Select
          label={t('providers.ceiling')}
          help={t('providers.ceiling_help')}
          name="ceiling"
          value={draft.ceiling}
          onChange={(role) => edit({ ceiling: ROLES.find((one) => one === role) ?? draft.ceiling })}
          choices={roles}
        />
      </div>
    </div>
  );
}

/** What a provider says of a person, and where the draft names the attribute that says it. */
const ATTRIBUTES = [
  ['email', 'email'],
  ['name', 'display_name'],
  ['groups', 'groups'],
] as const;

function MappingFields({ kind, draft, edit }: PartProps & { kind: Kind }) {
  const t = useWords();
  return (
    <div className="flex flex-col gap-4">
      <p className="text-sm text-ink-2">
        {t(kind === 'saml' ? 'providers.mapping_saml' : 'providers.mapping_oidc')}
      </p>
      <div className="grid grid-cols-3 gap-4 max-sm:grid-cols-1">
        {ATTRIBUTES.map(([name, key]) => (
          <Field
            key={name}
            label={t(`provider_test.${name}`)}
            name={`attributes.${name}`}
            mono
            spellCheck="false"
            maxLength={200}
            value={draft[key]}
            onChange={(value) => edit({ [key]: value })}
            isRequired
          />
        ))}
      </div>
      <RoleRules
        rules={draft.role_rules}
        usual={draft.default_role || draft.ceiling}
        onChange={(role_rules) => edit({ role_rules })}
      />
      <GroupRules rules={draft.group_rules} onChange={(group_rules) => edit({ group_rules })} />
    </div>
  );
}

function SessionFields({ draft, edit }: PartProps) {
  const t = useWords();
  return (
    <div className="flex flex-col gap-4">
      <Select
        label={t('providers.vouched')}
        help={t(`vouched_help.${draft.vouched}`)}
        name="second_factor.vouched"
        value={draft.vouched}
        onChange={(value) => edit({ vouched: VOUCHED.find((one) => one === value) ?? 'never' })}
        choices={VOUCHED.map((value) => ({ value, label: t(`vouched.${value}`) }))}
      />
      {draft.vouched === 'by_method' && (
        <Field
          label={t('providers.methods')}
          help={t('providers.methods_help')}
          name="second_factor.methods"
          mono
          spellCheck="false"
          lines={2}
          value={draft.methods}
          onChange={(methods) => edit({ methods })}
          isRequired
        />
      )}
      <div className="max-w-80">
        <Field
          label={t('providers.session_minutes')}
          help={t('providers.session_minutes_help')}
          name="session_minutes"
          inputMode="numeric"
          value={draft.session_minutes}
          onChange={(text) => edit({ session_minutes: text.replace(/\D/g, '').slice(0, 5) })}
        />
      </div>
    </div>
  );
}
