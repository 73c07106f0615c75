import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { Ban, FlaskConical, Power, Trash2 } from 'lucide-react';
import { useState } from 'react';
import type { IdentityProvider } from '#/api/types';
import { useStepUp } from '#/features/factors/step-up';
import { away } from '#/lib/away';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { Confirm } from '#/ui/confirm';
import { toast } from '#/ui/toast';
import { beginTest, deleteProvider, disableProvider, enableProvider, providerQuery } from './queries';

/** Signs in there to try it; the browser comes back to this page, which then shows what came of it. */
export function TestSignIn({ provider, isChanged }: { provider: IdentityProvider; isChanged: boolean }) {
  const t = useWords();
  const [asking, setAsking] = useState(false);
  // Away from the console; the button stays busy until the provider's page is there.
  const begin = useMutation({ mutationFn: beginTest, onSuccess: (url) => away.to(url) });
  return (
    <>
      <Button
        look={provider.tested ? 'plain' : 'primary'}
        icon={FlaskConical}
        onPress={() => setAsking(true)}
      >
        {t('providers.test')}
      </Button>
      <Confirm
        danger={false}
        title={t('providers.test_named', { name: provider.name })}
        isOpen={asking}
        onClose={() => {
          setAsking(false);
          begin.reset();
        }}
        text={[
          t('providers.test_goes'),
          t('providers.test_nobody'),
          ...(isChanged ? [t('providers.test_unsaved')] : []),
        ]}
        action={t('providers.test_go')}
        onConfirm={() => begin.mutate(provider.id)}
        isPending={begin.isPending || begin.isSuccess}
        error={begin.error}
      />
    </>
  );
}

/** Lets people in, or nobody any more. */
export function Switch({ provider }: { provider: IdentityProvider }) {
  const t = useWords();
  const client = useQueryClient();
  const { guard, dialog } = useStepUp();
  const [asking, setAsking] = useState(false);
  const { enabled, name } = provider;
  const change = useMutation({
    mutationFn: guard<IdentityProvider, IdentityProvider>((one) =>
      one.enabled ? disableProvider(one) : enableProvider(one),
    ),
    onSuccess: async (saved) => {
      setAsking(false);
      toast({ text: t(saved.enabled ? 'providers.is_enabled' : 'providers.is_disabled', { name }) });
      client.setQueryData(providerQuery(provider.id).queryKey, saved);
      await client.invalidateQueries({ queryKey: ['providers', 'list'] });
    },
    // What was refused may be so for what somebody else did: it is what must be seen now.
    onError: () => client.invalidateQueries({ queryKey: ['providers', 'one', provider.id] }),
  });
  const verb = enabled ? 'disable' : 'enable';
  return (
    <>
      <Button
        look={!enabled && provider.tested ? 'primary' : 'plain'}
        icon={enabled ? Ban : Power}
        onPress={() => setAsking(true)}
      >
        {t(`providers.${verb}`)}
      </Button>
      <Confirm
        danger={enabled}
        title={t(`providers.${verb}_named`, { name })}
        isOpen={asking}
        onClose={() => {
          setAsking(false);
          change.reset();
        }}
        text={
          enabled
            ? [t('providers.disable_people'), t('providers.disable_sessions')]
            : [t('providers.enable_people'), t('providers.enable_button')]
        }
        action={t(`providers.${verb}`)}
        onConfirm={() => change.mutate(provider)}
        isPending={change.isPending}
        error={change.error}
      />
      {dialog}
    </>
  );
}

export function Remove({ provider }: { provider: IdentityProvider }) {
  const t = useWords();
  const navigate = useNavigate();
  const client = useQueryClient();
  const { guard, dialog } = useStepUp();
  const [asking, setAsking] = useState(false);
  const remove = useMutation({
    mutationFn: guard<IdentityProvider, void>(deleteProvider),
    onSuccess: async () => {
      await navigate({ to: '/identity-providers' });
      await client.invalidateQueries({ queryKey: ['providers'] });
    },
  });
  return (
    <>
      <Button look="danger" icon={Trash2} onPress={() => setAsking(true)}>
        {t('providers.delete')}
      </Button>
      <Confirm
        title={t('providers.delete_named', { name: provider.name })}
        isOpen={asking}
        onClose={() => {
          setAsking(false);
          remove.reset();
        }}
        text={[t('providers.delete_users'), t('providers.disable_sessions'), t('providers.delete_links')]}
        action={t('providers.delete')}
        onConfirm={() => remove.mutate(provider)}
        isPending={remove.isPending}
        error={remove.error}
      />
      {dialog}
    </>
  );
}
