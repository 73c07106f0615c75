import { useQueryClient } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { Permitted } from '#/app/permitted';
import { createPartner } from '#/features/partners/queries';
import { NameForm } from '#/features/teams/name-form';
import { useWords } from '#/lib/words';
import { buttonLook } from '#/ui/button';
import { LINK } from '#/ui/link';
import { Page } from '#/ui/page';
import { Panel } from '#/ui/panel';
import { toast } from '#/ui/toast';

export const Route = createFileRoute('/_app/partners/new')({ component: NewPartnerPage });

function NewPartnerPage() {
  const t = useWords();
  const navigate = Route.useNavigate();
  const client = useQueryClient();
  return (
    <Permitted needs="teams.manage" title={t('partners.add')}>
      <Page
        title={t('partners.add')}
        up={
          <Link to="/partners" className={LINK}>
            {t('partners.title')}
          </Link>
        }
      >
        <Panel className="max-w-160">
          <NameForm
            name=""
            label={t('partners.name')}
            help={t('partners.name_help')}
            save={createPartner}
            onSaved={async (partner) => {
              toast({ text: t('partners.created', { name: partner.name }) });
              await client.invalidateQueries({ queryKey: ['partners'] });
              await navigate({ to: '/partners/$id', params: { id: partner.id } });
            }}
            submit={t('partners.create')}
          >
            <Link to="/partners" className={buttonLook('quiet')}>
              {t('ui.cancel')}
            </Link>
          </NameForm>
        </Panel>
      </Page>
    </Permitted>
  );
}
