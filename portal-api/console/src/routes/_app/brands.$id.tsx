import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { Trash2 } from 'lucide-react';
import { useState } from 'react';
import type { Brand } from '#/api/types';
import { BrandForm } from '#/features/brands/brand-form';
import { LogoPanel } from '#/features/brands/logo-panel';
import { brandQuery, deleteBrand, editBrand, logoAddress } from '#/features/brands/queries';
import { Permitted } from '#/features/organisation/permitted';
import { useMay } from '#/features/session/queries';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { Confirm } from '#/ui/confirm';
import { LINK } from '#/ui/link';
import { Page } from '#/ui/page';
import { Panel } from '#/ui/panel';
import { QueryView } from '#/ui/query-view';
import { StatusPill } from '#/ui/status-pill';
import { toast } from '#/ui/toast';

export const Route = createFileRoute('/_app/brands/$id')({ component: BrandPage });

function BrandPage() {
  const t = useWords();
  return (
    <Permitted needs="hub.read" title={t('brands.one')}>
      <OneBrand />
    </Permitted>
  );
}

function OneBrand() {
  const t = useWords();
  const { id } = Route.useParams();
  const client = useQueryClient();
  const mayEdit = useMay()('hub.configure');
  const query = useQuery(brandQuery(id));
  const brand = query.data;
  return (
    <Page
      key={id}
      title={brand?.name ?? t('brands.one')}
      up={
        <Link to="/brands" className={LINK}>
          {t('brands.title')}
        </Link>
      }
      aside={brand?.is_default && <StatusPill status="succeeded">{t('brands.default')}</StatusPill>}
      actions={brand && !brand.is_default && mayEdit && <Remove brand={brand} />}
    >
      <QueryView query={query} loading={t('brands.loading')}>
        {(found) => (
          <div className="grid grid-cols-[minmax(0,3fr)_minmax(280px,2fr)] items-start gap-4 max-lg:grid-cols-1">
            <Panel title={t('brands.settings')}>
              <BrandForm
                brand={found}
                logo={found.logo_size === null ? null : logoAddress(found)}
                mayEdit={mayEdit}
                save={(input) => editBrand(found, input)}
                onSaved={(saved) => {
                  toast({ text: t('brands.saved') });
                  client.setQueryData(brandQuery(id).queryKey, saved);
                  void client.invalidateQueries({ queryKey: ['brands', 'list'] });
                }}
                submit={t('ui.save')}
              />
            </Panel>
            <LogoPanel brand={found} mayEdit={mayEdit} />
          </div>
        )}
      </QueryView>
    </Page>
  );
}

function Remove({ brand }: { brand: Brand }) {
  const t = useWords();
  const navigate = Route.useNavigate();
  const client = useQueryClient();
  const [asking, setAsking] = useState(false);
  const remove = useMutation({
    mutationFn: deleteBrand,
    onSuccess: async () => {
      await navigate({ to: '/brands' });
      await client.invalidateQueries({ queryKey: ['brands'] });
    },
  });
  return (
    <>
      <Button look="danger" icon={Trash2} onPress={() => setAsking(true)}>
        {t('brands.delete')}
      </Button>
      <Confirm
        title={t('brands.delete_named', { name: brand.name })}
        isOpen={asking}
        onClose={() => {
          setAsking(false);
          remove.reset();
        }}
        text={t('brands.delete_text')}
        action={t('brands.delete')}
        onConfirm={() => remove.mutate(brand)}
        isPending={remove.isPending}
        error={remove.error}
      />
    </>
  );
}
